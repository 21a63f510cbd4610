"""The question: who is asked for, and which records are that person."""
