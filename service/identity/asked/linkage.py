"""Which records are the person asked for: certain, probable, contradicted, or unknown.

Identity is asymmetric: a missed link costs money, a false one costs a patient. So identifiers are compared for
equality only, an equal identifier links only where name, sex and birth date agree, and name and birth date alone
never link. Any disagreement makes the whole answer a conflict: it is not for a machine to pick a side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from service.domain.decision import Match
from service.domain.person import (
    IdentifierKind,
    PatientFacts,
    PersonIdentifier,
    resident_birth_date,
    resident_sex,
)
from service.identity.asked.person import KnownRecord, Person, identifiers_of
from service.identity.asked.statements import Evidence, compare_birth_dates, compare_names, compare_sexes
from service.identity.forms.names import NameKind, read_name
from service.identity.persons import Pair


@dataclass(frozen=True, slots=True)
class Linkage:
    """The grade of the whole match, the records it may use, and the `anchors` it found the person by: those named,
    else those that share an identifier with the question; where they contradict, all that were looked at."""

    match: Match
    confirmed: tuple[int, ...] = ()
    probable: tuple[int, ...] = ()
    anchors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Index:
    """What the person index says of the records at hand: of each the records of its person, where there are several,
    and the pairs on which people ruled."""

    persons: Mapping[int, frozenset[int]] = field(default_factory=dict)
    same: frozenset[Pair] = frozenset()
    not_same: frozenset[Pair] = frozenset()

    def person(self, record: int) -> frozenset[int]:
        """All records of the person that the record belongs to."""
        return self.persons.get(record, frozenset({record}))

    def is_apart(self, a: int, b: int) -> bool:
        """Whether people ruled that the persons of the two are two."""
        ours, theirs = self.person(a), self.person(b)
        return any((x in ours and y in theirs) or (y in ours and x in theirs) for x, y in self.not_same)

    def is_ruled(self, person: frozenset[int]) -> bool:
        """Whether people joined some of the person's records, knowing what contradicts."""
        return any(x in person for x, _ in self.same)


NO_INDEX = Index()


def link(
    person: Person, own: Sequence[KnownRecord], records: Sequence[KnownRecord], index: Index = NO_INDEX
) -> Linkage:
    """Grades every record against the person.

    `own` are the ordering institution's records that the query names. `records` are those that share an identifier
    with the person, a hospital's own number with such a record, or the person of such a record in the index. One
    contradicting record makes the match a conflict, as do two that agree with what is asked and contradict each other;
    else confirmed records may be used freely and probable ones are only pointed at. A record that people ruled to be
    another's than `own` is left out, whatever it says; where it bears the person's number, that names two people.
    """
    if contradicts_itself(person) and not any(index.is_ruled(index.person(one.id)) for one in own):
        return Linkage(Match.CONFLICT, anchors=tuple(sorted(one.id for one in own)))
    apart = {record.id for record in records if any(index.is_apart(record.id, one.id) for one in own)}
    known = [
        record
        for record in records
        if record.facts is not None and record.id not in apart and not _is_her_newborn(person, record.facts)
    ]
    direct = _grade_direct(person, own, known)
    if any(person.identifiers & identifiers_of(one.facts) for one in records if one.facts and one.id in apart):
        direct = _of_own_persons(direct, own, index)
    found_by = tuple(sorted(one.id for one in own if one.id in direct) or sorted(direct))
    grades = direct | _grade_same_numbers(person, direct, known)
    grades |= _grade_persons(person, grades, known, index)
    if Match.CONFLICT in grades.values() or any(index.is_apart(a, b) for a, b in combinations(direct, 2)):
        return Linkage(Match.CONFLICT, anchors=tuple(sorted(grades)))
    confirmed = tuple(sorted(one for one, grade in grades.items() if grade is Match.CONFIRMED))
    probable = tuple(sorted(one for one, grade in grades.items() if grade is Match.PROBABLE))
    if _disagree([one for one in known if one.id in confirmed], index):
        return Linkage(Match.CONFLICT, anchors=tuple(sorted(grades)))
    if confirmed:
        return Linkage(Match.CONFIRMED, confirmed, probable, found_by)
    return Linkage(Match.PROBABLE if probable else Match.UNKNOWN, (), probable, found_by)


def _of_own_persons(direct: Mapping[int, Match], own: Sequence[KnownRecord], index: Index) -> dict[int, Match]:
    """The grades where the number asked with is borne by somebody else too, as people ruled: by it alone no other
    record is the person's for certain (identity_audit 3: more than one candidate)."""
    ours = frozenset().union(*(index.person(one.id) for one in own))
    return {
        one: Match.PROBABLE if grade is Match.CONFIRMED and one not in ours else grade for one, grade in direct.items()
    }


def _disagree(confirmed: Sequence[KnownRecord], index: Index) -> bool:
    """Whether two records contradict each other that both agree with the question: it may say less than they do (a name
    in Latin letters agrees with each of one sound). Where people joined them they knew."""
    said = {
        (index.person(one.id), one.facts.names, one.facts.birth_date, one.facts.sex): one.facts
        for one in confirmed
        if one.facts is not None
    }
    return any(
        Evidence.DIFFERENT in _compare(a, b) and not (ours[0] == theirs[0] and index.is_ruled(ours[0]))
        for (ours, a), (theirs, b) in combinations(said.items(), 2)
    )


def _is_her_newborn(person: Person, facts: PatientFacts) -> bool:
    """Whether the record is of a newborn named after the person: it bears her number, and is not she."""
    ours = {one.form for one in map(read_name, person.names) if one.kind is NameKind.PERSON}
    return any(one.kind is NameKind.NEWBORN and one.stem in ours for one in map(read_name, facts.names))


def _grade_direct(person: Person, own: Sequence[KnownRecord], known: Sequence[KnownRecord]) -> dict[int, Match]:
    """The records that the query names, or that share an identifier with it."""
    named = {one.id for one in own}
    direct: dict[int, Match] = {}
    for record in known:
        if own and record.id == own[0].id:
            direct[record.id] = _grade_own(person, record)
        elif grade := _grade_shared(person, record):
            direct[record.id] = grade
        elif record.id in named and record.local_token != own[0].local_token:
            direct[record.id] = _grade_own(person, record)
    return direct


def _grade_same_numbers(person: Person, direct: Mapping[int, Match], known: Sequence[KnownRecord]) -> dict[int, Match]:
    """The records under the same hospital's number as one of those."""
    anchors: dict[tuple[str, bytes | None], Match] = {}
    for one in known:
        # of several records under one number the weaker grade counts, whatever their order
        if one.id in direct and anchors.get((one.institution, one.local_token)) is not Match.PROBABLE:
            anchors[one.institution, one.local_token] = direct[one.id]
    grades: dict[int, Match] = {}
    for record in known:
        anchor = anchors.get((record.institution, record.local_token))
        if record.id not in direct and anchor is not None and record.local_token is not None:
            grades[record.id] = _grade_same_number(person, record, anchor)
    return grades


def _grade_persons(
    person: Person, grades: Mapping[int, Match], known: Sequence[KnownRecord], index: Index
) -> dict[int, Match]:
    """The other records of every person of whom one record is confirmed. What is asked may still contradict them:
    the index never saw the question. Where people joined records they knew what contradicts."""
    sure = {index.person(one) for one, grade in grades.items() if grade is Match.CONFIRMED}
    found: dict[int, Match] = {}
    for record in known:
        group = index.person(record.id)
        if group not in sure or grades.get(record.id) is Match.CONFIRMED:
            continue
        if index.is_ruled(group):
            found[record.id] = Match.CONFIRMED
        elif grades.get(record.id) is not Match.CONFLICT:
            assert record.facts is not None
            differs = Evidence.DIFFERENT in _compare(person, record.facts) or _contradicts(person, record.facts)
            found[record.id] = Match.CONFLICT if differs else Match.CONFIRMED
    return found


def contradicts_itself(person: Person) -> bool:
    """Two different valid resident numbers are two people; and a resident number states birth date and sex."""
    numbers = _residents(person.identifiers)
    if len(numbers) > 1:
        return True
    return any(_different_from_number(number, person.birth_date, person.sex) for number in numbers)


def _residents(identifiers: Iterable[PersonIdentifier]) -> set[str]:
    return {one.value for one in identifiers if one.kind is IdentifierKind.RESIDENT}


def _different_from_number(number: str, birth_date: str | None, sex: str | None) -> bool:
    return Evidence.DIFFERENT in (
        compare_birth_dates(resident_birth_date(number), birth_date),
        compare_sexes(resident_sex(number), sex),
    )


def _compare(person: Person | PatientFacts, facts: PatientFacts) -> tuple[Evidence, Evidence, Evidence]:
    return (
        compare_names(person.names, facts.names),
        compare_birth_dates(person.birth_date, facts.birth_date),
        compare_sexes(person.sex, facts.sex),
    )


def _contradicts(person: Person, facts: PatientFacts) -> bool:
    """Whether the record's resident number is another one, or disagrees with the record's own demographics."""
    ours, theirs = _residents(person.identifiers), _residents(identifiers_of(facts))
    if ours and theirs and ours.isdisjoint(theirs):
        return True
    return len(theirs) > 1 or any(_different_from_number(one, facts.birth_date, facts.sex) for one in theirs)


def _grade_shared(person: Person, record: KnownRecord) -> Match | None:
    """A record that shares an identifier. A shared card number alone is a look-up: it points, where all agrees."""
    facts = record.facts
    assert facts is not None
    shared = person.identifiers & identifiers_of(facts)
    if not shared:
        return None
    evidence = _compare(person, _stated_by_number(facts, shared))
    if not any(one.strong for one in shared):
        agreed = all(one is Evidence.EQUAL for one in evidence) and not _contradicts(person, facts)
        return Match.PROBABLE if agreed else None
    if Evidence.DIFFERENT in evidence or _contradicts(person, facts):
        return Match.CONFLICT
    agreed = all(one is Evidence.EQUAL for one in evidence) and facts.active
    return Match.CONFIRMED if agreed else Match.PROBABLE


def _stated_by_number(facts: PatientFacts, shared: Iterable[PersonIdentifier]) -> PatientFacts:
    """The record with the birth date and sex that its own resident number states, where it does not say them."""
    if facts.birth_date and facts.sex in ("male", "female"):
        return facts
    for number in _residents(shared):
        sex = facts.sex if facts.sex in ("male", "female") else resident_sex(number)
        facts = replace(facts, birth_date=facts.birth_date or resident_birth_date(number), sex=sex)
    return facts


def _grade_own(person: Person, record: KnownRecord) -> Match:
    """The ordering institution's own record of the identifier asked with; its sex may be unsaid."""
    facts = record.facts
    assert facts is not None
    name, birth, sex = _compare(person, facts)
    if Evidence.DIFFERENT in (name, birth, sex) or _contradicts(person, facts):
        return Match.CONFLICT
    agreed = name is Evidence.EQUAL and birth is Evidence.EQUAL
    return Match.CONFIRMED if agreed and facts.active else Match.PROBABLE


def _grade_same_number(person: Person, record: KnownRecord, anchor: Match) -> Match:
    """A record of the same hospital under the same patient number (its imaging archive's, say). Where names
    cannot be compared birth date and sex must both agree."""
    facts = record.facts
    assert facts is not None
    name, birth, sex = _compare(person, facts)
    if Evidence.DIFFERENT in (name, birth, sex) or _contradicts(person, facts):
        return Match.CONFLICT
    agreed = birth is Evidence.EQUAL and (name is Evidence.EQUAL or sex is Evidence.EQUAL)
    return anchor if agreed else Match.PROBABLE
