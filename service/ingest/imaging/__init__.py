"""What an imaging exam shows: from codes, headers and words, zh and en."""
