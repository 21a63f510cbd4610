"""People for the tests of identity: resident numbers that check, and records in one line. All are invented."""

from __future__ import annotations

from dataclasses import dataclass

from service.domain.order import PatientQuery
from service.domain.person import PatientFacts, PatientIdentifier, resident_check
from service.identity.asked.linkage import NO_INDEX, Index, Linkage, link
from service.identity.asked.person import complete, own_records

RESIDENT = "urn:oid:2.16.156.10011.1.3"
CARD = "urn:testonce:identifier:health-card"
PASSPORT = "urn:testonce:identifier:passport"
MRN = "urn:hospital:mrn"
HERE, THERE, ARCHIVE = "here", "there", "archive"


def resident(birth: str = "19851123", sequence: str = "004", region: str = "220102") -> str:
    """A resident number that checks; an even sequence is a woman's."""
    body = f"{region}{birth}{sequence}"
    return body + resident_check(body)


LI = resident()


@dataclass(frozen=True)
class Record:
    """A patient record of an institution."""

    id: int
    institution: str
    local_token: bytes | None
    facts: PatientFacts | None


_IDS = iter(range(1, 10**9))


def record(
    *identifiers: tuple[str, str], institution: str = THERE, name: str | tuple[str, ...] | None = "李敏",
    birth_date: str | None = "1985-11-23", sex: str | None = "female", local: str | None = None, active: bool = True,
) -> Record:  # fmt: skip
    """A record of Li Min at another hospital unless the case says otherwise; `local` is its hospital's number."""
    serial = next(_IDS)
    names = (name,) if isinstance(name, str) else name or ()
    given = [PatientIdentifier(system, value) for system, value in identifiers]
    given += [PatientIdentifier(MRN, local, "MR")] if local else []
    key = f"Patient/{serial:06d}"
    facts = PatientFacts(key, local or key, names, birth_date, sex, tuple(given), active=active)
    return Record(serial, institution, (local or key).encode(), facts)


def query(
    *identifiers: tuple[str, str], name: str | None = "李敏", birth_date: str | None = "1985-11-23",
    sex: str | None = "female",
) -> PatientQuery:  # fmt: skip
    """Li Min as the caller describes her, by her resident number unless the case says otherwise."""
    asked = identifiers or ((RESIDENT, LI),)
    return PatientQuery(tuple((system, value, "") for system, value in asked), name, birth_date, sex)


def identify(asked: PatientQuery, *records: Record, requester: str = HERE, index: Index = NO_INDEX) -> Linkage:
    """The linkage, as the desk makes it of the records found."""
    own = own_records(asked, requester, records)
    return link(complete(asked, own), own, records, index)
