"""One file per testonce command; no logic of its own."""
