"""What happened: append-only, provable."""
