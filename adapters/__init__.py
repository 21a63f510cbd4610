"""One folder per hospital system: how its records are fetched and what its quirks are."""
