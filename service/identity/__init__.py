"""Which records are one person; what may be disclosed to whom."""
