"""Two records held side by side, field by field: equal, compatible, missing or contradicting, and how.

Identifiers are compared for equality only: two valid numbers that differ in one digit are two people, most often
twins (research: identity_audit 0.4). A note (`pinyin`, `lunar`, `typo`…) explains an outcome and never improves it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from service.domain.person import IdentifierKind, PersonIdentifier
from service.identity.forms.birth_dates import explain_difference
from service.identity.forms.names import Name, NameKind, Resemblance, resemble
from service.identity.profile import Profile

LETTERS, PINYIN, HOMOPHONE = "letters", "pinyin", "homophone"
"""Notes on names: equal, but in Latin letters, where different names have one spelling; compatible, as one is the
spelling of the other; contradicting, in other characters of the same sound."""
FROM_NUMBER = "from-number"
"""Note on birth dates that agree, where one is not said but stated by a resident number."""


class Outcome(StrEnum):
    """What comparing one field of two statements shows."""

    EQUAL = "equal"
    COMPATIBLE = "compatible"  # not equal, and both can be true of one person
    MISSING = "missing"  # one does not say it
    CONTRADICTING = "contradicting"


@dataclass(frozen=True, slots=True)
class Compared:
    """The outcome of one field; `note` says how it comes about."""

    outcome: Outcome
    note: str = ""

    def __str__(self) -> str:
        return f"{self.outcome}:{self.note}" if self.note else self.outcome.value


_EQUAL, _MISSING, _COMPATIBLE = Compared(Outcome.EQUAL), Compared(Outcome.MISSING), Compared(Outcome.COMPATIBLE)
_CONTRADICTING = Compared(Outcome.CONTRADICTING)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What two records show of each other."""

    name: Compared
    birth_date: Compared
    sex: Compared
    number: Compared
    card: Compared
    phone: Compared
    local: Compared

    @property
    def contradicts(self) -> bool:
        """Whether any field says that these are two people."""
        return any(one.outcome is Outcome.CONTRADICTING for one in (self.number, self.sex, self.birth_date, self.name))

    def fields(self) -> dict[str, str]:
        """Field -> outcome, without any value: what is stored of it and printed."""
        return {name: str(getattr(self, name)) for name in self.__slots__}


def compare(a: Profile, b: Profile, crowded: frozenset[str] = frozenset()) -> Evidence:
    """The evidence of two records. `crowded` are phones and cards that too many people share to tell anything."""
    return Evidence(
        compare_names(a.names, b.names),
        compare_birth_dates(a, b),
        compare_sexes(a.sex, b.sex),
        compare_numbers(a, b),
        _shared(a.cards, b.cards, frozenset(one for one in a.cards if f"{one.kind}:{one.value}" in crowded)),
        _shared(a.phones, b.phones, crowded),
        _EQUAL if a.institution == b.institution and a.local_id == b.local_id else _MISSING,
    )


def compare_names(ours: Iterable[Name], theirs: Iterable[Name]) -> Compared:
    """Equal when any spelling equals any of the other's; compatible when one in Latin letters sounds like the other
    (`pinyin`). Anything else contradicts, other characters of one sound (`homophone`) too: only a person can tell a
    slip of the keyboard from a sister."""
    pairs = [(a, b) for a in ours for b in theirs]
    if not pairs:
        return _MISSING
    alike = [a for a, b in pairs if _is_one(a, b)]
    if any(one.is_han for one in alike):
        return _EQUAL
    written = [(a, b) for a, b in pairs if a.is_han and b.is_han]
    if alike and not written:
        return Compared(Outcome.EQUAL, LETTERS)
    pairs = written or pairs  # where both are in characters those decide: 陶小玮 and 陶小伟 are both Tao Xiaowei
    notes = {found: (a, b) for a, b in pairs if (found := resemble(a, b)) is not None}
    if Resemblance.PINYIN in notes:
        a, b = notes[Resemblance.PINYIN]
        if a.kind is b.kind is NameKind.PERSON and not (a.is_han and b.is_han):
            return Compared(Outcome.COMPATIBLE, PINYIN)
        return Compared(Outcome.CONTRADICTING, HOMOPHONE)
    note = next((one.value for one in Resemblance if one in notes), "")
    return Compared(Outcome.CONTRADICTING, note)


def _is_one(a: Name, b: Name) -> bool:
    """Whether they are one writing, and no mark or counter tells two: 张伟1 and 张伟2."""
    counted = a.counter is None or b.counter is None or a.counter == b.counter
    return counted and a.form == b.form and a.kind is b.kind and a.mark == b.mark


def compare_birth_dates(a: Profile, b: Profile) -> Compared:
    """Full dates are equal or contradict, with the usual slip that would explain it; a shorter date is compatible with
    what it begins."""
    if a.birth_date and b.birth_date:
        if a.birth_date == b.birth_date:
            return _EQUAL if a.says_birth_date and b.says_birth_date else Compared(Outcome.COMPATIBLE, FROM_NUMBER)
        note = explain_difference(a.birth_date, b.birth_date)
        return Compared(Outcome.CONTRADICTING, note.value if note else "")
    ours, theirs = a.birth_date or a.partial_date, b.birth_date or b.partial_date
    if not ours or not theirs:
        return _MISSING
    return _COMPATIBLE if ours.startswith(theirs) or theirs.startswith(ours) else _CONTRADICTING


def compare_sexes(ours: str | None, theirs: str | None) -> Compared:
    """Only male and female say something; `other` and `unknown` say nothing."""
    known = ("male", "female")
    if ours not in known or theirs not in known:
        return _MISSING
    return _EQUAL if ours == theirs else _CONTRADICTING


def compare_numbers(a: Profile, b: Profile) -> Compared:
    """The numbers that name one person by law, each kind by itself. Numbers given once for life weigh more than any
    other: a passport in common does not make up for two resident numbers. A number that fails its check is none; where
    it is one slip away from the other's valid one the note says `typo`."""
    ours, theirs = _by_kind(a.numbers), _by_kind(b.numbers)
    shared = {kind: not ours[kind].isdisjoint(theirs[kind]) for kind in ours.keys() & theirs.keys()}
    if any(not is_shared and kind in _FOR_LIFE for kind, is_shared in shared.items()):
        return _CONTRADICTING
    if any(shared.values()):
        return _EQUAL
    if shared:
        return _CONTRADICTING
    valid = [one.value for one in (*a.numbers, *b.numbers)]
    if any(_is_slip(one, other) for one in (*a.broken, *b.broken) for other in valid):
        return Compared(Outcome.MISSING, "typo")
    return _MISSING


_FOR_LIFE = frozenset({IdentifierKind.RESIDENT, IdentifierKind.BIRTH})


def _by_kind(numbers: Iterable[PersonIdentifier]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for one in numbers:
        found.setdefault(one.kind, set()).add(one.value)
    return found


def _is_slip(broken: str, valid: str) -> bool:
    """Whether one digit was mistyped, dropped, doubled or swapped with its neighbour."""
    if len(broken) == len(valid):
        wrong = [n for n, (x, y) in enumerate(zip(broken, valid, strict=True)) if x != y]
        return len(wrong) <= 1 or (
            len(wrong) == 2
            and wrong[1] == wrong[0] + 1
            and broken[wrong[0]] == valid[wrong[1]]
            and broken[wrong[1]] == valid[wrong[0]]
        )
    long, short = (broken, valid) if len(broken) > len(valid) else (valid, broken)
    return len(long) == len(short) + 1 and any(long[:n] + long[n + 1 :] == short for n in range(len(long)))


def _shared(ours: frozenset[object], theirs: frozenset[object], crowded: frozenset[object]) -> Compared:
    """Cards and phones change and are shared: another one says nothing, the same one supports."""
    if not ours or not theirs:
        return _MISSING
    common = ours & theirs
    if not common:
        return _COMPATIBLE
    return _EQUAL if common - crowded else Compared(Outcome.MISSING, "crowded")
