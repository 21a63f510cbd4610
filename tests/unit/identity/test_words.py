"""Everything that linkage can say has words, in Chinese and English."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from service.domain.person import IdentifierKind
from service.identity import words
from service.identity.evidence import FROM_NUMBER, HOMOPHONE, LETTERS, PINYIN, Evidence, Outcome
from service.identity.forms.birth_dates import DateDifference
from service.identity.forms.names import Resemblance
from service.identity.links import BY_PERSON, Cause
from service.identity.profile import Doubt
from service.identity.rules import RULES, Tier

NOTES = {
    *(one.value for one in (*Resemblance, *DateDifference)),
    PINYIN,
    HOMOPHONE,
    LETTERS,
    FROM_NUMBER,
    "typo",
    "crowded",
}


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (words.RULES, {one.name for one in RULES} | {BY_PERSON}),
        (words.NOTES, NOTES),
        (words.FIELDS, set(Evidence.__slots__)),
        (words.OUTCOMES, set(Outcome)),
        (words.DOUBTS, set(Doubt)),
        (words.CAUSES, set(Cause)),
        (words.TIERS, set(Tier)),
    ],
)
def test_each_word_is_there_and_none_too_many(said: dict[str, object], wanted: set[str]) -> None:
    assert set(said) == wanted


def texts() -> Iterable[tuple[str, str]]:
    for among in (words.FIELDS, words.OUTCOMES, words.NOTES, words.DOUBTS, words.STATES, words.TIERS, words.CAUSES):
        yield from among.values()
    yield from words.RULINGS.values()
    yield from ((one.zh, one.en) for one in words.RULES.values())
    yield from (one.source for one in words.RULES.values())


@pytest.mark.parametrize(("zh", "en"), list(texts()))
def test_each_text_is_in_its_own_language(zh: str, en: str) -> None:
    assert re.search(r"[\u4e00-\u9fff]", zh)
    assert not re.search(r"[\u4e00-\u9fff]", en)
    assert en


def test_every_kind_of_identifier_and_sex_has_words():
    assert words.VALUES.keys() == {*(kind.value for kind in IdentifierKind), "male", "female"}
    assert all(zh and en for zh, en in words.VALUES.values())
