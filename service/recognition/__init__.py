"""The clinician's choice, events, statistics, savings."""
