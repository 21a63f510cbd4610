"""What a name field says: a person's name in its normal form, a newborn's, or none at all."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from service.identity.forms.characters import compact, is_han, tidy
from service.identity.forms.name_patterns import is_damaged, is_unidentified, without_title
from service.identity.forms.newborns import read_newborn
from service.identity.forms.pinyin import COMPOUND_SURNAMES, han_keys, latin_keys


class NameKind(StrEnum):
    """What sort of name it is. Only `PERSON` can support that two records are one person."""

    PERSON = "person"
    NEWBORN = "newborn"  # named after the mother: 李敏之子
    UNIDENTIFIED = "unidentified"  # 无名氏, Jane Doe, 测试
    DAMAGED = "damaged"  # characters lost or masked, or a surname only
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Name:
    """A name as it is compared.

    `form` is equal for two writings of one name: without blanks, dots, titles and counters, simplified, case folded.
    In Latin letters (`is_han` false) it is weaker, as Li Ming and Lim Ing have one form. `pinyin` are its spellings in
    letters a-z; two names that share one sound alike, no more. Of a newborn, `stem` is the form of the mother's name,
    `mark` which of several ("1", "2"), `newborn_sex` male or female if the name tells. `counter` is the number taken
    off behind the name: a second visit or a second person.
    """

    kind: NameKind
    form: str
    is_han: bool
    pinyin: frozenset[str]
    mark: str | None = None
    stem: str = ""
    newborn_sex: str | None = None
    counter: str | None = None


@lru_cache(65536)
def read_name(text: str) -> Name:
    """Reads any text of a name field. Of a DICOM name (李^敏=LI^MIN) the part in Chinese characters is the name, and
    every part gives its spellings."""
    parts = [part for part in text.split("=") if part.strip()] if "=" in text else [text]
    names = [_read(part) for part in parts] or [_read("")]
    best = next((one for one in names if one.is_han), names[0])
    return best if len(names) == 1 else replace(best, pinyin=frozenset().union(*(one.pinyin for one in names)))


def _read(text: str) -> Name:
    name = tidy(text)
    if not any(ch not in " -/,'()#." for ch in name):
        return Name(NameKind.NONE, "", False, frozenset())
    has_han = any(map(is_han, name))
    name = compact(name) if has_han else " ".join(name.replace(",", " ").split())
    if is_unidentified(name):
        return Name(NameKind.UNIDENTIFIED, _whole(name, has_han), has_han, frozenset())
    if newborn := read_newborn(name):
        form, keys = _whole(name, has_han), _keys(name, has_han)
        return Name(NameKind.NEWBORN, form, has_han, keys, newborn.mark, newborn.stem, newborn.sex)
    bare, counter = without_title(name)
    if bare != name:
        return _counted(_read(bare), counter)
    form = compact(name)
    kind = NameKind.DAMAGED if is_damaged(form) else NameKind.PERSON
    return Name(kind, form, has_han, _keys(name, has_han))


def _counted(name: Name, counter: str | None) -> Name:
    return name if counter is None else replace(name, counter=name.counter or counter)


def _whole(name: str, has_han: bool) -> str:
    """The form of a name from which no counter may be taken, neither now nor when the form is read again."""
    return compact(name if has_han else re.sub(r"\W", "", name))


def _keys(name: str, has_han: bool) -> frozenset[str]:
    return han_keys(name) if has_han else latin_keys(name)


class Resemblance(StrEnum):
    """How two names are alike: said to a person who judges, never a proof."""

    SAME = "same"  # one form
    MOTHER_AND_CHILD = "mother-and-child"  # 李敏 and 李敏之子
    PINYIN = "pinyin"  # spelt alike in Latin letters
    GAPS = "gaps"  # 张? and 张𠮷: what is lost of one may be what the other has
    ONE_CHARACTER = "one-character"  # equally long, one character differs
    PART = "part"  # one character more
    ORDER = "order"  # the same characters in another order
    OTHER_GIVEN = "other-given"  # the surname is the same, the rest is not


def resemble(a: Name, b: Name) -> Resemblance | None:
    """How two names resemble each other, the strongest way first; None when they do not, or one is no name."""
    if not _is_comparable(a) or not _is_comparable(b):
        return None
    if a.form == b.form:
        return Resemblance.SAME
    if (a.stem or b.stem) and (a.stem == b.form or b.stem == a.form):
        return Resemblance.MOTHER_AND_CHILD
    if not a.pinyin.isdisjoint(b.pinyin):
        return Resemblance.PINYIN
    if NameKind.DAMAGED in (a.kind, b.kind) and (_fits(a.form, b.form) or _fits(b.form, a.form)):
        return Resemblance.GAPS
    return _compare_characters(a.form, b.form)


def _is_comparable(name: Name) -> bool:
    return bool(name.form) and name.kind is not NameKind.UNIDENTIFIED


_LOST = re.compile(r"(?:\W|[x某〇_\ue000-\uf8ff])+")


def _fits(damaged: str, name: str) -> bool:
    """Whether the name may be what the damaged one was; a lost character may have left two signs."""
    known = [re.escape(part) for part in _LOST.split(damaged)]
    return len(known) > 1 and any(known) and re.fullmatch(".{1,2}".join(known), name) is not None


def _compare_characters(a: str, b: str) -> Resemblance | None:
    if len(a) == len(b) and len(a) > 1:
        if sum(x != y for x, y in zip(a, b, strict=True)) == 1:
            return Resemblance.ONE_CHARACTER
        if sorted(a) == sorted(b):
            return Resemblance.ORDER
    shorter, longer = sorted((a, b), key=len)
    if len(longer) == len(shorter) + 1 and any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer))):
        return Resemblance.PART
    same_surname = is_han(a[0]) and _surname(a) == _surname(b)
    return Resemblance.OTHER_GIVEN if same_surname else None


def _surname(form: str) -> str:
    return form[:2] if form[:2] in COMPOUND_SURNAMES else form[:1]
