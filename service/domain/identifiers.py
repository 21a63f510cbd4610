"""Where ingest and the registry look for identifiers: the normal forms live in `person`."""

from service.domain.person import IdentifierKind, PersonIdentifier, normalise_identifier

__all__ = ["IdentifierKind", "PersonIdentifier", "normalise_identifier"]
