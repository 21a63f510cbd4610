"""The person asked for: what the caller says, completed from the ordering institution's own records."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.domain.order import PatientQuery
from service.domain.person import PatientFacts, PersonIdentifier, is_local_number, normalise_identifier
from service.identity.asked.statements import Evidence, compare_birth_dates, compare_names, compare_sexes


class KnownRecord(Protocol):
    """A patient record of one institution, as the registry gives it."""

    @property
    def id(self) -> int:
        """The registry's key."""

    @property
    def institution(self) -> str:
        """Whose record it is."""

    @property
    def local_token(self) -> bytes | None:
        """Blind index of the hospital's own patient number."""

    @property
    def facts(self) -> PatientFacts | None:
        """What the hospital says of the patient; None until it has said anything."""


@dataclass(frozen=True, slots=True)
class Person:
    """The person asked for: identifiers in normal form, and demographics as far as they are known."""

    identifiers: frozenset[PersonIdentifier]
    names: tuple[str, ...] = ()
    birth_date: str | None = None
    sex: str | None = None


def read_identifiers(query: PatientQuery) -> frozenset[PersonIdentifier]:
    """The valid person identifiers among those given; placeholders and failing check characters are none."""
    found = (normalise_identifier(system, value, type_code) for system, value, type_code in query.identifiers)
    return frozenset(one for one in found if one is not None)


def identifiers_of(facts: PatientFacts) -> frozenset[PersonIdentifier]:
    """The valid person identifiers of a record."""
    found = (normalise_identifier(one.system, one.value, one.type) for one in facts.identifiers)
    return frozenset(one for one in found if one is not None)


def own_records(query: PatientQuery, requester: str, records: Iterable[KnownRecord]) -> tuple[KnownRecord, ...]:
    """The ordering institution's own records that the query names: by the hospital's number first, then by a strong
    identifier, each in the order of the source's key, whatever the order of arrival. All of them must be the person.

    A card names one only where no other of the hospital's records carries it, or where one alone bears the name and
    birth date asked with: families share cards.
    """
    asked_local = {(system, value.strip()) for system, value, _ in query.identifiers}
    asked = read_identifiers(query)
    ranked: list[tuple[int, str, KnownRecord]] = []
    for record in records:
        facts = record.facts
        if record.institution != requester or facts is None:
            continue
        shared = asked & identifiers_of(facts)
        if any(
            (one.system, one.value.strip()) in asked_local and is_local_number(one.system, one.value, one.type)
            for one in facts.identifiers
        ):
            ranked.append((0, facts.key, record))
        elif shared:
            ranked.append((1 if any(one.strong for one in shared) else 2, facts.key, record))
    ranked.sort(key=lambda one: one[:2])
    named = tuple(record for rank, _, record in ranked if rank < 2)
    if named:
        return named
    by_card = tuple(record for _, _, record in ranked)
    if len(by_card) > 1:
        by_card = tuple(record for record in by_card if _bears(query, record.facts))
    return by_card if len(by_card) == 1 else ()


def _bears(query: PatientQuery, facts: PatientFacts | None) -> bool:
    """Whether the record bears the name and birth date asked with, and not another sex."""
    if facts is None or not query.name:
        return False
    return (
        compare_names((query.name,), facts.names) is Evidence.EQUAL
        and compare_birth_dates(query.birth_date, facts.birth_date) is Evidence.EQUAL
        and compare_sexes(query.sex, facts.sex) is not Evidence.DIFFERENT
    )


def complete(query: PatientQuery, own: Sequence[KnownRecord]) -> Person:
    """The person asked for, completed from the ordering institution's own records of that identifier, each field from
    the first that says it (contract, section 1, `testonce match`). Where they disagree `link` finds the conflict."""
    person = Person(read_identifiers(query), (query.name,) if query.name else (), query.birth_date, query.sex)
    for facts in (one.facts for one in own if one.facts is not None):
        person = Person(
            person.identifiers | identifiers_of(facts),
            person.names or facts.names,
            person.birth_date or facts.birth_date,
            person.sex or facts.sex,
        )
    return person
