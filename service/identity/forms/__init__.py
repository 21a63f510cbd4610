"""Normal forms: what a written name, phone or birth date says, and how two of them differ."""
