"""Newborns named after their mother until they have a name: 李敏之子, 李敏双A, Baby boy of Li Min.

Such a name belongs to a place in a ward, not to a person: it changes within weeks, two mothers may share a name, and
twins differ in one mark. Where a real name is taken for a newborn's, that costs a review; the other error, a child.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from service.identity.forms.characters import compact, is_han
from service.identity.forms.pinyin import COMPOUND_SURNAMES

_PLACES = {mark: marks[0] for marks in ("1甲一大长a", "2乙二次小b", "3丙三c", "4丁四d") for mark in marks}
_MARK = rf"(?:老|双|胎|第|\(|-|#)*(?P<{{}}>[{''.join(_PLACES)}])?(?:号|胎|\))*"
_HAN_NAME = re.compile(
    r"(?P<stem>.+?)(?P<of>[之的]|-(?=婴))?" + _MARK.format("before")
    + r"(?P<child>[男女]?婴儿?|新生儿|儿子|女儿|[男女]孩|毛[毛头]|宝[宝贝]|千金|幼[子女]|bb|nb|baby|孩子?"
    + r"|双(?:胞?胎)?之?|[子女男儿])"
    + _MARK.format("after")
)  # fmt: skip
_AHEAD = re.compile(r"\(?(?P<child>[男女]?婴儿?|新生儿|bb|nb|baby)\)?-?(?P<stem>[^\W\da-z].+)")  # 新生儿李敏
_BABY = r"(?:new ?born|nb|bb|baby|infant)\W*(?P<child>boy|girl)?"
_LATIN_NAMES = tuple(re.compile(pattern) for pattern in (
    _BABY + r"(?:\W+(?P<before>[a-d1-4]))?\W*(?:/o|of)?\W+(?P<stem>.{2,})",
    r"(?P<child>boy|girl|son|daughter)(?:\W+(?P<before>[a-d1-4]))?\W+of\W+(?P<stem>.+)",
    r"(?:b|bb|[sd])/o\W+(?P<stem>.+)",
    r"(?P<stem>.+?)(?:'s)?[\W\d]+" + _BABY + r"\W*(?P<after>[a-d1-4])?\W*",
))  # fmt: skip
_PINYIN = re.compile(r"(?P<stem>[a-z]+)zhi(?P<child>zi|nv|nu|nan|ying|er)(?P<after>[a-d1-4])?")
_VOWELS = re.compile("[aeiouv]+")
_ALWAYS = frozenset({
    "毛毛", "毛头", "宝宝", "宝贝", "千金", "幼子", "幼女", "bb", "nb", "baby", "新生儿", "儿子", "女儿", "婴儿",
})  # fmt: skip
_BOYS = ("子", "儿子", "男", "boy", "son", "zi", "nan")
_GIRLS = ("女", "girl", "daughter", "nv", "nu")


@dataclass(frozen=True, slots=True)
class Newborn:
    """The mother's name as it stands there, which of several ("1" for A, 1, 大, 长; None if not told), and the sex."""

    stem: str
    mark: str | None
    sex: str | None


def read_newborn(name: str) -> Newborn | None:
    """Reads the tidied name of a newborn; None when it is not one's."""
    if any(is_han(ch) for ch in name):
        joined = compact(name)
        found = _HAN_NAME.fullmatch(joined)
        if found and _is_child(found):
            return _newborn(found)
        found = _AHEAD.fullmatch(joined)
        return _newborn(found) if found and found["stem"] not in COMPOUND_SURNAMES else None
    for pattern in _LATIN_NAMES:
        if (found := pattern.fullmatch(name)) and any(map(str.isalpha, found["stem"])):
            return _newborn(found)
    found = _PINYIN.fullmatch(compact(name))
    return _newborn(found) if found and _is_whole_name(found["stem"]) else None


def _is_child(found: re.Match[str]) -> bool:
    """A word for a child counts behind 之; without it only behind what is a whole name by itself, and words that end
    given names (子, 女) only with a mark."""
    stem, child = found["stem"], found["child"]
    if found["of"]:
        return child in ("子", "女", "婴") or len(child) > 1 or (len(stem) > 1 and stem not in COMPOUND_SURNAMES)
    if len(stem) < 2 or stem in COMPOUND_SURNAMES:
        return False
    marked = found["before"] or (child[0] == "双" and found["after"])
    return child in _ALWAYS or (child[0] in "男女" and len(child) > 1) or bool(marked)


def _is_whole_name(letters: str) -> bool:
    """At least two syllables that are no compound surname: LI ZHIYING is 李志英, LIMIN ZHIYING is 李敏之婴."""
    return len(_VOWELS.findall(letters)) > 1 and letters not in COMPOUND_SURNAMES.values()


def _newborn(found: re.Match[str]) -> Newborn:
    said = found.groupdict()
    mark = _PLACES.get(said.get("before") or said.get("after") or "")
    child = said.get("child") or ""
    sex = "male" if child in _BOYS or "男" in child else "female" if child in _GIRLS or "女" in child else None
    return Newborn(compact(found["stem"]), mark, sex)
