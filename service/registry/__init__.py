"""What is known: tables, every query, versions. SQLite and PostgreSQL through one schema."""
