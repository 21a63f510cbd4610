"""Pulling: what sources give is stored with the cursor in one transaction, read and indexed afterwards."""
