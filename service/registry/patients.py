"""Patient records of institutions, the identifiers they are found by, and consents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import msgspec
from sqlalchemy import bindparam, delete, select

from service.domain.person import PatientFacts, PatientIdentifier, normalise_identifier
from service.ingest.port import ConsentFacts
from service.registry.bulk import ByKeys, put
from service.registry.columns import fit, to_us_or_none
from service.registry.session import Session
from service.registry.tables import consent, identifier, patient_record
from service.registry.versions import is_older
from service.security.keys import KeyRing

LOCAL = "local"
"""The kind of an identifier as one institution writes it, whatever it is."""

LOCAL_ID = "local-id"
"""The field of the tokens of hospitals' own patient numbers."""

_FACTS = msgspec.json.Decoder(PatientFacts)
_OWN_RECORDS = select(
    patient_record.c.id,
    patient_record.c.key_token,
    patient_record.c.digest,
    patient_record.c.version_at,
    patient_record.c.rank,
).where(patient_record.c.institution == bindparam("institution"))
_KNOWN = ByKeys(lambda among: _OWN_RECORDS.where(among(patient_record.c.key_token)))
_FORGET_IDENTIFIERS = ByKeys(lambda among: delete(identifier).where(among(identifier.c.record_id)))
_BEARERS = ByKeys(
    lambda among: (
        select(identifier.c.token, patient_record.c.id, patient_record.c.facts)
        .join(patient_record, patient_record.c.id == identifier.c.record_id)
        .where(among(identifier.c.token), patient_record.c.institution == bindparam("institution"))
    )
)
_UPDATED = ("local_token", "digest", "version_at", "rank", "facts")


@dataclass(slots=True)
class _Record:
    id: int
    digest: bytes | None = None
    version_at: int | None = None
    rank: int = 0


def identifier_field(kind: str) -> str:
    """The field that tokens of identifiers of this kind are made for."""
    return LOCAL if kind == LOCAL else f"identifier:{kind}"


def person_token(keys: KeyRing, kind: str, value: str) -> bytes:
    """The token of a person identifier in its normal form: the same at every institution."""
    return keys.token(identifier_field(kind), value)


def local_token(keys: KeyRing, institution: str, system: str, value: str) -> bytes:
    """The token of an identifier as `institution` writes it."""
    return keys.token(LOCAL, f"{institution}|{system}|{value.strip()}")


def open_facts(keys: KeyRing, record_id: int, sealed: bytes) -> PatientFacts:
    """What the source says of its patient."""
    return _FACTS.decode(keys.open(sealed, f"patient_record|facts|{record_id}"))


def record_ids(session: Session, patient_keys: Collection[str]) -> dict[str, int]:
    """The record of each key; one that is not known yet is made, to be filled when its patient arrives."""
    return {key: one.id for key, one in _records(session, patient_keys).items()}


def _records(session: Session, patient_keys: Iterable[str]) -> dict[str, _Record]:
    """The records by key, made where they are absent."""
    tokens = {key: session.tokens("record", key) for key in patient_keys}
    by_token = {token: key for key, several in tokens.items() for token in several}
    rows = _KNOWN.rows(session.conn, by_token, institution=session.institution)
    records = {
        by_token[bytes(row.key_token)]: _Record(
            row.id, session.keys.renewed("patient", row.digest), row.version_at, row.rank
        )
        for row in rows
    }
    absent = [key for key in tokens if key not in records]
    ids = session.take_ids("patient_record", len(absent))
    new: list[dict[str, object]] = [
        {"id": new_id, "institution": session.institution, "key_token": tokens[key][0], "rank": 0}
        for key, new_id in zip(absent, ids, strict=True)
    ]
    put(session.conn, patient_record, new)
    return records | {key: _Record(new_id) for key, new_id in zip(absent, ids, strict=True)}


def put_patients(session: Session, patients: Iterable[PatientFacts]) -> dict[int, PatientFacts]:
    """Stores patients with their identifiers; a late older version never replaces a newer one. Gives what is new or
    changed, by the id of its record."""
    listed = list(patients)
    records = _records(session, [one.key for one in listed])
    changed: dict[int, tuple[bytes, PatientFacts]] = {}
    for one in listed:
        record = records[one.key]
        plain = msgspec.json.encode(one)
        digest, at = session.digest("patient", plain), to_us_or_none(one.version_at)
        if digest == record.digest:
            continue
        if record.digest is not None and is_older(at, one.rank, record.version_at, record.rank):
            continue
        record.digest, record.version_at, record.rank = digest, at, one.rank
        changed[record.id] = (plain, one)
    rows = [_row(session, records[one.key], plain, one) for plain, one in changed.values()]
    put(session.conn, patient_record, rows, _UPDATED)
    _FORGET_IDENTIFIERS.execute(session.conn, changed)
    found = [row for record_id, (_, one) in changed.items() for row in _identifiers(session, record_id, one)]
    put(session.conn, identifier, found)
    return {record_id: one for record_id, (_, one) in changed.items()}


def _row(session: Session, record: _Record, plain: bytes, one: PatientFacts) -> dict[str, object]:
    return {
        "id": record.id,
        "institution": session.institution,
        "key_token": session.token("record", one.key),
        "local_token": session.token(LOCAL_ID, one.local_id),
        "digest": record.digest,
        "version_at": record.version_at,
        "rank": record.rank,
        "facts": session.keys.seal(plain, f"patient_record|facts|{record.id}"),
    }


def _identifiers(session: Session, record_id: int, one: PatientFacts) -> list[dict[str, object]]:
    kinds: dict[bytes, str] = {}
    for given in one.identifiers:
        if not given.value.strip():
            continue
        kinds[local_token(session.keys, session.institution, given.system, given.value)] = LOCAL
        person = normalise_identifier(given.system, given.value, given.type)
        if person is not None:
            kinds[person_token(session.keys, person.kind, person.value)] = person.kind.value
    return [{"token": token, "record_id": record_id, "kind": kind} for token, kind in kinds.items()]


def find_patients(session: Session, identifiers: Collection[PatientIdentifier]) -> dict[PatientIdentifier, set[str]]:
    """The keys of the institution's Patient resources that bear each identifier; one known from inside a report, or
    by a number only, is none."""
    asked: defaultdict[bytes, set[PatientIdentifier]] = defaultdict(set)
    for one in identifiers:
        for token in _tokens_of(session, one):
            asked[token].add(one)
    found: defaultdict[PatientIdentifier, set[str]] = defaultdict(set)
    for row in _BEARERS.rows(session.conn, asked, institution=session.institution):
        key = open_facts(session.keys, row.id, row.facts).key
        if key.startswith("Patient/") and "#" not in key:
            for one in asked[bytes(row.token)]:
                found[one].add(key)
    return dict(found)


def _tokens_of(session: Session, one: PatientIdentifier) -> tuple[bytes, ...]:
    """The tokens under which an identifier may stand; of a card only as this institution writes it."""
    local = session.keys.tokens(LOCAL, f"{session.institution}|{one.system}|{one.value.strip()}")
    person = normalise_identifier(one.system, one.value, one.type)
    if person is None or not person.strong:
        return local
    return (*local, *session.keys.tokens(identifier_field(person.kind), person.value))


def put_consents(session: Session, consents: Iterable[ConsentFacts]) -> None:
    """Stores consents by ref."""
    listed = list(consents)
    records = record_ids(session, {one.patient_key for one in listed})
    session.hide_all(one.ref for one in listed)
    rows = [
        {
            "institution": session.institution,
            "ref": fit(session.hide(one.ref)),
            "record_id": records[one.patient_key],
            "denies": one.denies,
            "from_at": to_us_or_none(one.from_at),
            "to_at": to_us_or_none(one.to_at),
        }
        for one in listed
    ]
    put(session.conn, consent, rows, ("record_id", "denies", "from_at", "to_at"))
