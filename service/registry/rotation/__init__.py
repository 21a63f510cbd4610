"""Brings every stored row under the newest keys while the service runs."""
