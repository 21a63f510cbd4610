"""When two records are one person: the rules, strictest first; the first that fits gives the verdict.

`confirmed` is certain enough to show a clinician the other's results (design, decision 5; research: identity_audit 3).
`probable` goes to a person's desk. Where no rule fits the records have nothing to do with each other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from service.identity.evidence import FROM_NUMBER, HOMOPHONE, LETTERS, PINYIN, Evidence, Outcome, compare
from service.identity.forms.names import NameKind, Resemblance
from service.identity.profile import Profile

SHOWN_ONCE = frozenset({"number-of-another"})
"""Rules whose pairs are mostly two people: of two persons one pair is shown, not all."""

VERSION = 1
"""Raised with every change of a rule: each link says which version made it."""


class Tier(StrEnum):
    """How sure a link is."""

    CONFIRMED = "confirmed"
    HELD = "held"  # confirmed by itself; not in force, as it would join records that contradict each other
    PROBABLE = "probable"  # for a person to decide
    BARRED = "barred"  # near each other, but the persons they belong to contradict each other


@dataclass(frozen=True, slots=True)
class Verdict:
    """What two records are to each other. `score` (0 to 100) orders the review list: how often such pairs are one
    person; it decides nothing."""

    tier: Tier
    rule: str
    score: int
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by name. `fits` sees the evidence and both records."""

    name: str
    tier: Tier
    score: int
    fits: Callable[[Evidence, Profile, Profile], bool]


_EQUAL, _MISSING, _CONTRADICTING = Outcome.EQUAL, Outcome.MISSING, Outcome.CONTRADICTING


def judge(a: Profile, b: Profile, crowded: frozenset[str] = frozenset()) -> Verdict | None:
    """The verdict on two records by what they say themselves; None: nothing links them. Symmetric."""
    if NameKind.UNIDENTIFIED in (a.kind, b.kind):
        return None  # a name for nobody; the number on such a record is whoever's card was found
    evidence = compare(a, b, crowded)
    if _are_mother_and_newborn(evidence, a, b):
        return None
    for rule in RULES:
        if rule.fits(evidence, a, b):
            return Verdict(rule.tier, rule.name, rule.score, evidence)
    return None


def _are_mother_and_newborn(e: Evidence, a: Profile, b: Profile) -> bool:
    """A newborn bears its mother's number and phone; it is never she (identity_audit 3)."""
    return {a.kind, b.kind} == {NameKind.NEWBORN, NameKind.PERSON} and e.birth_date.outcome is _CONTRADICTING


def _is_sound(a: Profile, b: Profile) -> bool:
    """Both are live records of people with a name of their own."""
    return a.kind is b.kind is NameKind.PERSON and a.active and b.active


def _same_number(e: Evidence, a: Profile, b: Profile) -> bool:
    """The same valid number; name and birth date agree with it and with each other, and no sex contradicts. A birth
    date that one does not say counts where exact name and phone or card make up for it.

    Equality of the number alone merged 609 people in 298 clusters: relatives' cards, numbers given twice
    (identity_audit 0.5). Another character of one sound is not enough: twins are named so, and lend their cards.
    """
    return (
        e.number.outcome is _EQUAL
        and e.name.outcome in (_EQUAL, Outcome.COMPATIBLE)
        and (e.birth_date.outcome is _EQUAL or _is_made_up_for(e))
        and not e.contradicts
        and not a.doubts
        and not b.doubts
        and _is_sound(a, b)
    )


def _is_made_up_for(e: Evidence) -> bool:
    return (
        e.birth_date.outcome is not _CONTRADICTING
        and e.name.outcome is _EQUAL
        and e.name.note != LETTERS
        and _EQUAL in (e.phone.outcome, e.card.outcome)
    )


def _same_hospital_number(e: Evidence, a: Profile, b: Profile) -> bool:
    """One hospital, one patient number: its imaging archive's record, say. Numbers are given again, so birth date
    must agree, and name or sex."""
    return (
        e.local.outcome is _EQUAL
        and not e.contradicts
        and e.birth_date.outcome is _EQUAL
        and (e.name.outcome is _EQUAL or e.sex.outcome is _EQUAL)
        and a.kind is b.kind
    )


def _same_person_without_number(e: Evidence, a: Profile, b: Profile) -> bool:
    """Exact name, sex and birth date. In Latin letters no name is exact: twins can sound alike. Nor is one that may
    be a ward's for any child of a mother: 卢敏女 can be two."""
    return (
        e.name.outcome is _EQUAL
        and e.name.note != LETTERS
        and not any(_MAY_BE_UNNAMED.fullmatch(one.form) for one in a.names)
        and e.birth_date.outcome is _EQUAL
        and e.sex.outcome is _EQUAL
        and e.number.outcome is not _CONTRADICTING
        and not a.doubts
        and not b.doubts
        and _is_sound(a, b)
    )


_MAY_BE_UNNAMED = re.compile(r"..+[女娃婴宝]")


def _same_phone(e: Evidence, a: Profile, b: Profile) -> bool:
    return _same_person_without_number(e, a, b) and e.phone.outcome is _EQUAL


def _same_card(e: Evidence, a: Profile, b: Profile) -> bool:
    """A card only confirms: families share them (identity_audit; domain 6)."""
    return _same_person_without_number(e, a, b) and e.card.outcome is _EQUAL


def _same_number_other_date(e: Evidence, a: Profile, b: Profile) -> bool:
    """The same number and name; the birth date or sex disagrees, mostly by a slip."""
    return (
        e.number.outcome is _EQUAL
        and e.name.outcome in (_EQUAL, Outcome.COMPATIBLE)
        and (_CONTRADICTING in (e.birth_date.outcome, e.sex.outcome) or bool(a.doubts or b.doubts))
    )


def _same_number_incomplete(e: Evidence, a: Profile, b: Profile) -> bool:
    """The same number and name, and nothing disagrees; one says too little, or is no longer in use."""
    return e.number.outcome is _EQUAL and e.name.outcome in (_EQUAL, Outcome.COMPATIBLE)


def _same_number_other_name(e: Evidence, a: Profile, b: Profile) -> bool:
    """The same number and birth date, another name: a former one, a slip, or a number given to two."""
    return e.number.outcome is _EQUAL and e.birth_date.outcome is not _CONTRADICTING


def _number_of_another(e: Evidence, a: Profile, b: Profile) -> bool:
    """The same number, and neither name nor birth date agrees: one of them came with a relative's card."""
    return e.number.outcome is _EQUAL


def _newborn_twice(e: Evidence, a: Profile, b: Profile) -> bool:
    """Two rows for what may be one newborn. Its mother's number or phone is on both; so it is on its twin's."""
    return (
        a.kind is b.kind is NameKind.NEWBORN
        and e.name.outcome is _EQUAL
        and e.birth_date.outcome is _EQUAL
        and e.sex.outcome is not _CONTRADICTING
        and _EQUAL in (e.number.outcome, e.phone.outcome)
    )


def _newborn_and_child(e: Evidence, a: Profile, b: Profile) -> bool:
    """A newborn named after its mother, and a child of that day, sex and phone with a name of its own."""
    return (
        {a.kind, b.kind} == {NameKind.NEWBORN, NameKind.PERSON}
        and e.birth_date.outcome is _EQUAL
        and e.sex.outcome is not _CONTRADICTING
        and e.phone.outcome is _EQUAL
    )


def _name_and_number_slip(e: Evidence, a: Profile, b: Profile) -> bool:
    """A number that fails its check, one slip from the other's."""
    return e.number.note == "typo" and (
        e.name.outcome in (_EQUAL, Outcome.COMPATIBLE) or (_same_birth_date(e) and e.sex.outcome is _EQUAL)
    )


def _two_numbers(e: Evidence, a: Profile, b: Profile) -> bool:
    """Two numbers, and all else the same: a number reissued, or a card borrowed."""
    return (
        e.number.outcome is _CONTRADICTING
        and e.name.outcome in (_EQUAL, Outcome.COMPATIBLE)
        and _same_birth_date(e)
        and e.sex.outcome is not _CONTRADICTING
        and (Outcome.EQUAL in (e.phone.outcome, e.card.outcome) or bool(a.doubts or b.doubts))
    )


def _same_birth_date(e: Evidence) -> bool:
    """Equal, whether said or stated by the number: enough for a person to look at."""
    return e.birth_date.outcome is _EQUAL or e.birth_date.note == FROM_NUMBER


def _open_number(e: Evidence) -> bool:
    return e.number.outcome is _MISSING


def _name_and_birth_date(e: Evidence, a: Profile, b: Profile) -> bool:
    """Name, birth date, sex, and nothing else: namesakes share those."""
    return (
        _open_number(e)
        and e.name.outcome is _EQUAL
        and _same_birth_date(e)
        and e.sex.outcome is not _CONTRADICTING
        and a.kind is b.kind is NameKind.PERSON
    )


def _sound_and_birth_date(e: Evidence, a: Profile, b: Profile) -> bool:
    return (
        _open_number(e)
        and e.name.note in (PINYIN, HOMOPHONE)
        and _same_birth_date(e)
        and e.sex.outcome is not _CONTRADICTING
    )


def _name_and_phone(e: Evidence, a: Profile, b: Profile) -> bool:
    """Name and phone (or card); the birth date or sex is missing or slipped."""
    return (
        _open_number(e)
        and e.name.outcome in (_EQUAL, Outcome.COMPATIBLE)
        and _EQUAL in (e.phone.outcome, e.card.outcome)
        and a.kind is b.kind is NameKind.PERSON
    )


def _name_slip(e: Evidence, a: Profile, b: Profile) -> bool:
    """Birth date, sex and phone, and a name that a slip of one character explains. Twins look the same."""
    return (
        _open_number(e)
        and _same_birth_date(e)
        and e.sex.outcome is _EQUAL
        and _EQUAL in (e.phone.outcome, e.card.outcome)
        and e.name.note in (Resemblance.ONE_CHARACTER, Resemblance.PART)
    )


def _damaged_name(e: Evidence, a: Profile, b: Profile) -> bool:
    return (
        _open_number(e)
        and NameKind.DAMAGED in (a.kind, b.kind)
        and _same_birth_date(e)
        and e.sex.outcome is not _CONTRADICTING
        and _EQUAL in (e.phone.outcome, e.card.outcome)
    )


RULES = (
    Rule("same-number", Tier.CONFIRMED, 100, _same_number),
    Rule("same-hospital-number", Tier.CONFIRMED, 100, _same_hospital_number),
    Rule("same-name-birth-sex-phone", Tier.CONFIRMED, 100, _same_phone),
    Rule("same-name-birth-sex-card", Tier.CONFIRMED, 100, _same_card),
    Rule("newborn-twice", Tier.PROBABLE, 60, _newborn_twice),
    Rule("newborn-and-child", Tier.PROBABLE, 55, _newborn_and_child),
    Rule("same-number-other-date", Tier.PROBABLE, 97, _same_number_other_date),
    Rule("same-number-incomplete", Tier.PROBABLE, 98, _same_number_incomplete),
    Rule("same-number-other-name", Tier.PROBABLE, 80, _same_number_other_name),
    Rule("number-of-another", Tier.PROBABLE, 20, _number_of_another),
    Rule("number-slip", Tier.PROBABLE, 95, _name_and_number_slip),
    Rule("two-numbers", Tier.PROBABLE, 60, _two_numbers),
    Rule("name-and-birth-date", Tier.PROBABLE, 80, _name_and_birth_date),
    Rule("name-and-phone", Tier.PROBABLE, 90, _name_and_phone),
    Rule("sound-and-birth-date", Tier.PROBABLE, 75, _sound_and_birth_date),
    Rule("name-slip", Tier.PROBABLE, 70, _name_slip),
    Rule("damaged-name", Tier.PROBABLE, 70, _damaged_name),
)

CONFIRMING = frozenset(rule.name for rule in RULES if rule.tier is Tier.CONFIRMED)
"""The rules that join, unless something stands against it."""
