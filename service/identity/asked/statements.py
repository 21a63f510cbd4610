"""What a question and a record say, held against each other one field at a time."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from service.identity import evidence
from service.identity.evidence import Outcome
from service.identity.forms.names import Name, NameKind, read_name


class Evidence(StrEnum):
    """What comparing one field of two statements shows."""

    EQUAL = "equal"
    MISSING = "missing"  # not said, or not comparable (one name in Latin letters, the other in Han)
    DIFFERENT = "different"


def compare_names(ours: Sequence[str], theirs: Sequence[str]) -> Evidence:
    """Equal when any spelling of one equals any of the other's in normal form, or sounds like it where one is written
    in Latin letters; other characters of one sound differ. What is no name of a person says nothing."""
    left, right = _names(ours), _names(theirs)
    return _OF_OUTCOME[evidence.compare_names(left, right).outcome]


def _names(given: Sequence[str]) -> list[Name]:
    return [one for one in map(read_name, given) if one.kind in (NameKind.PERSON, NameKind.NEWBORN)]


_OF_OUTCOME = {
    Outcome.EQUAL: Evidence.EQUAL,
    Outcome.COMPATIBLE: Evidence.EQUAL,
    Outcome.MISSING: Evidence.MISSING,
    Outcome.CONTRADICTING: Evidence.DIFFERENT,
}


def compare_birth_dates(ours: str | None, theirs: str | None) -> Evidence:
    """Full dates are equal or different; a shorter one (year, month) agrees with what it begins, and proves nothing."""
    if not ours or not theirs:
        return Evidence.MISSING
    left, right = ours[:10], theirs[:10]
    if left == right and len(left) == 10:
        return Evidence.EQUAL
    return Evidence.MISSING if left.startswith(right) or right.startswith(left) else Evidence.DIFFERENT


def compare_sexes(ours: str | None, theirs: str | None) -> Evidence:
    """Only male and female say something; `other` and `unknown` say nothing."""
    known = {"male", "female"}
    if ours not in known or theirs not in known:
        return Evidence.MISSING
    return Evidence.EQUAL if ours == theirs else Evidence.DIFFERENT
