"""The person index in the database: its rows, what people ruled, and its history."""
