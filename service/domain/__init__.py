"""Values and vocabulary. Standard library only: no clock, no database, no HTTP."""
