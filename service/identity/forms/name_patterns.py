"""Words in the name field that are no part of a name, or say that there is no name.

All are asked of tidied text (`characters.tidy`). What is taken off a name can make two people one, so only words that
nobody is called are listed: relatives (张伟家属) and marks other than counters stay. Where a real name is taken for
none (无名氏, newborns, damage), that costs a review: such a name proves nothing.
"""

from __future__ import annotations

import re

from service.identity.forms.characters import compact, is_han
from service.identity.forms.pinyin import COMPOUND_SURNAMES

_WORD = (
    "(?:复诊|初诊|复查|体检|门诊|急诊|住院|加急|预约|本人|(?<![a-z])vip"
    "|先生|女士|小姐|老师|同志|主任|护士|医生|教授|师傅)"
)
_COUNT = r"(?:\((?P<a>\d{1,2})\)|[#-]?(?<![^\W\u3400-\u9fff\U00020000-\U0003ffff])(?P<b>\d{1,2})(?!\d))"
_HEAD = re.compile(rf"^(?:\({_WORD}\)|vip(?![a-z\d]))+(?=.*[^\W\d_])")
_TAIL = re.compile(rf"(?<=.)\s*(?:\({_WORD}\)|[-/]?{_WORD}|{_COUNT})$")
_LATIN_TITLES = frozenset({"mr", "mrs", "ms", "miss", "dr", "prof"})
_LATIN_ENDINGS = _LATIN_TITLES | {"xiansheng", "nvshi", "nushi"}  # 先生, 女士, spelt by a system


def without_title(name: str) -> tuple[str, str | None]:
    """The name without one title or note at either end (先生, (复诊), -复查, VIP, Mr), or without the counter behind,
    which is given too: 张伟2 and 张伟(2) may be a second visit or a second person. One at a time, as what is
    below it may be a newborn's mark. The same name when there is none."""
    if found := _HEAD.match(name):
        return name[found.end() :], None
    found = _TAIL.search(name)
    if found and _has_letter(name[: found.start()]):
        return name[: found.start()], found["a"] or found["b"]
    parts = name.split()
    if parts[0] in _LATIN_TITLES and _has_letter("".join(parts[1:])):
        return " ".join(parts[1:]), None
    if len(parts) > 2 and parts[-1] in _LATIN_ENDINGS:
        return " ".join(parts[:-1]), None
    return name, None


_NOBODY = re.compile(
    "无名|无姓名|不详|未知|不明|佚名|匿名|三无|无主|流浪|弃婴|昏迷|车祸|测试|未提供|未登记|未填|待查|路人|某人|代[开取配]药"
    "|unknown|unidentified|anonym|noname|^(?:john|jane|baby)doe|^doe(?:john|jane|baby)"
)
_NO_NAME = re.compile(
    rf"(?:{_WORD}|无|没有|空|患者|病人|姓名|[男女]性?|[男女]?婴儿?|新生儿|某|家属|单位|外宾|自费|n/a|null|none|nil|undefined|x+|test|testing"
    r"|demo|dummy|temp|patient|name|male|female|man|woman)+(?:[甲乙丙丁\d#/()-]|男|女)*"
)
_NO_NAME_TOKENS = frozenset({"test", "testing", "demo", "dummy", "patient", "unk"})


def is_unidentified(name: str) -> bool:
    """Whether it stands for somebody whose name is not known, or for nobody: 无名氏, 未知男, Jane Doe, 测试."""
    joined = compact(name)
    return bool(_NOBODY.search(joined) or _NO_NAME.fullmatch(joined)) or not _NO_NAME_TOKENS.isdisjoint(name.split())


_ALLOWED = re.compile(r"[\w\s'(),/#+\U00020000-\U0003ffff-]*")  # \w: letters, marks and digits of every script
_MASK = re.compile(r"[某〇]|\d|_")
_LETTERS = re.compile(r"[a-z]+")


def is_damaged(name: str) -> bool:
    """Whether part of the name (without titles) is lost or masked: 李?, 李*, 李某, 李x, 张3伟, one character only, a
    surname only, characters of no standard."""
    letters = sum(map(_is_letter, name))
    if letters < 2 or name in COMPOUND_SURNAMES or not _ALLOWED.fullmatch(name) or _MASK.search(name):
        return True
    return any(map(is_han, name)) and any(len(run) == 1 or set(run) == {"x"} for run in _LETTERS.findall(name))


def _has_letter(text: str) -> bool:
    return any(map(_is_letter, text))


def _is_letter(ch: str) -> bool:
    return ch.isalpha() or is_han(ch)  # the newest planes are not known to Python yet
