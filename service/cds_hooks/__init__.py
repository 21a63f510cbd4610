"""CDS Hooks 2.0: discovery, cards, feedback."""
