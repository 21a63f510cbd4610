"""What every HTTP edge shares: reading a body, believing a caller, saying what went wrong."""
