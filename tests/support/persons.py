"""Patients of several hospitals, linked as they are stored."""

from __future__ import annotations

from collections.abc import Sequence

from service.domain.person import PatientFacts, PatientIdentifier
from service.identity.store.linker import Linker
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.security.caller import Caller, Role
from service.security.keys import KeyRing
from tests.support.people import MRN, RESIDENT, resident

WANG, ZHAO = Caller("city-hospital", Role.STEWARD, "wang"), Caller("city-hospital", Role.STEWARD, "zhao")
"""Two people who decide who is who."""

LI, HER_TWIN = resident(), resident(sequence="006")


def patient(
    local: str, *numbers: str, name: str = "李敏", birth_date: str | None = "1985-11-23", phones: Sequence[str] = (),
    key: str = "",
) -> PatientFacts:  # fmt: skip
    """A woman under the hospital's number `local`, with resident numbers."""
    given = (*(PatientIdentifier(RESIDENT, one) for one in numbers), PatientIdentifier(MRN, local, "MR"))
    return PatientFacts(key or f"Patient/{local}", local, (name,), birth_date, "female", given, tuple(phones))


def register(database: Database, keys: KeyRing, *patients: tuple[str, PatientFacts]) -> None:
    """Stores patients given as (institution, facts), each in a batch of its own, and links them."""
    store = SqlIngestStore(database, keys, persons=Linker(database, keys))
    for institution, facts in patients:
        with store.batch(institution) as batch:
            batch.put_patients([facts])
