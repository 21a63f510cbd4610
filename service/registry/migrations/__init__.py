"""Alembic migrations; the schema is `service.registry.tables`."""
