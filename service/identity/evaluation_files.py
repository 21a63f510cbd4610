"""The CSV files of `testonce identity evaluate`: records as hospitals tell them, and who they truly are."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.domain.errors import InvalidInput
from service.domain.person import IdentifierKind, PatientFacts, PatientIdentifier
from service.identity.forms.names import NameKind
from service.identity.profile import read_profile
from service.reference.csv_rows import Faults, Row, read_rows

IDENTIFIERS = {
    "resident_number": IdentifierKind.RESIDENT, "passport": IdentifierKind.PASSPORT,
    "hk_macao": IdentifierKind.HK_MACAO, "taiwan": IdentifierKind.TAIWAN, "officer": IdentifierKind.OFFICER,
    "birth_certificate": IdentifierKind.BIRTH, "health_card": IdentifierKind.HEALTH_CARD,
    "social_security": IdentifierKind.SOCIAL_SECURITY, "insurance": IdentifierKind.INSURANCE,
}  # fmt: skip
"""Columns that hold identifiers, in the order of the file."""

KEY = ("institution", "local_id")
RECORD_COLUMNS = (*KEY, "name", "birth_date", "sex", "phone", *IDENTIFIERS)
TRUTH_COLUMNS = (*KEY, "person", "trap", "error")
_SEXES = {
    "": None, "male": "male", "female": "female", "m": "male", "f": "female", "男": "male", "女": "female",
    "other": "other", "unknown": "unknown",
}  # fmt: skip
_DATE = re.compile(r"(\d{4}(-\d\d(-\d\d)?)?)?", re.ASCII)  # a day that no calendar has is what registers hold, too
_FAULTS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Judged:
    """Records with their truth, all by place: `records` as (institution, facts), `truth` the true person, `kinds` the
    places of the records of each kind of trap and error."""

    records: list[tuple[str, PatientFacts]]
    truth: list[str]
    kinds: Mapping[str, frozenset[int]]


def read_files(records: Path, truth: Path) -> Judged:
    """Reads both files. A row of a hospital number seen before is its later version, and replaces it.

    Raises InvalidInput with file, line and column of every fault: an unknown column, a missing institution, number or
    person, a sex or date of another form, a record without truth, truth without a record.
    """
    faults = Faults()
    told = _records(_read(records), records.name, faults)
    people = _truth(_read(truth), truth.name, faults)
    if not faults.found:
        for key in told.keys() - people.keys():
            faults.add(truth.name, f"no row for {'/'.join(key)} of {records.name}; every record needs one")
        for key in people.keys() - told.keys():
            faults.add(
                people[key].place(), f"{'/'.join(key)} is not in {records.name}; give its record or leave it out"
            )
    if faults.found:
        more = len(faults.found) - _FAULTS_SHOWN
        rest = f"; {more} more like these" if more > 0 else ""
        found = sorted(faults.found, key=lambda one: one.pointer)
        raise InvalidInput(f"nothing was evaluated: the files have mistakes{rest}", found[:_FAULTS_SHOWN])
    return Judged(list(told.values()), [people[key]["person"] for key in told], _kinds([people[key] for key in told]))


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{path.name} is not UTF-8; save it as CSV UTF-8") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}; give the path of a CSV file") from None


def _records(text: str, file: str, faults: Faults) -> dict[tuple[str, str], tuple[str, PatientFacts]]:
    found = {}
    for row in read_rows(text, file, KEY, RECORD_COLUMNS, faults):
        if _has_all(row, KEY, faults) and _is_wellformed(row, faults):
            found[row["institution"], row["local_id"]] = (row["institution"], _facts(row))
    return found


def _has_all(row: Row, columns: Sequence[str], faults: Faults) -> bool:
    missing = [column for column in columns if not row[column]]
    for column in missing:
        faults.add(row.place(column), "is empty; every row needs one")
    return not missing


def _is_wellformed(row: Row, faults: Faults) -> bool:
    if row["sex"].casefold() not in _SEXES:
        faults.add(row.place("sex"), "is no sex; expected male, female, other, unknown or nothing")
        return False
    if not _DATE.fullmatch(row["birth_date"]):
        faults.add(row.place("birth_date"), "is no date; expected YYYY-MM-DD, YYYY-MM, YYYY or nothing")
        return False
    return True


def _facts(row: Row) -> PatientFacts:
    return PatientFacts(
        f"csv|{row['local_id']}",
        row["local_id"],
        tuple(_values(row["name"])),
        row["birth_date"] or None,
        _SEXES[row["sex"].casefold()],
        tuple(
            PatientIdentifier(f"urn:testonce:identifier:{kind.value}", value)
            for column, kind in IDENTIFIERS.items()
            for value in _values(row[column])
        ),
        tuple(_values(row["phone"])),
    )


def _values(cell: str) -> Iterator[str]:
    return (value for part in cell.split(";") if (value := part.strip()))


def _truth(text: str, file: str, faults: Faults) -> dict[tuple[str, str], Row]:
    found: dict[tuple[str, str], Row] = {}
    for row in read_rows(text, file, (*KEY, "person"), TRUTH_COLUMNS, faults):
        if not _has_all(row, (*KEY, "person"), faults):
            continue
        if found.setdefault((row["institution"], row["local_id"]), row) is not row:
            faults.add(row.place(), "the same record was given above; name each record once")
    return found


def _kinds(rows: Sequence[Row]) -> dict[str, frozenset[int]]:
    found: dict[tuple[str, str], set[int]] = {}
    for place, row in enumerate(rows):
        for column in ("trap", "error"):
            for kind in _values(row[column]):
                found.setdefault((column, kind), set()).add(place)
    traps_first = sorted(found, key=lambda one: (one[0] == "error", one))
    return {" ".join(one): frozenset(found[one]) for one in traps_first}


def demographic_proof(institution: str, facts: PatientFacts) -> Hashable | None:
    """Name, birth date, sex and phone in normal form: equal for two records, they prove one person without any
    identifier. None where one is not told, or the name is nobody's own."""
    told = read_profile(0, institution, facts)
    if told.kind is not NameKind.PERSON or not told.birth_date or not told.sex or not told.phones:
        return None
    return min(one.form for one in told.names), told.birth_date, told.sex, min(told.phones)
