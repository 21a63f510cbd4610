"""Keys of sound: how a name is spelt in Latin letters. A weak key; people who share it are not one person."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import product

from service.identity.characters import is_han

MAX_KEYS = 12
COMPOUND_SURNAMES = {  # 复姓 in use, and their reading
    "欧阳": "ouyang", "司马": "sima", "上官": "shangguan", "诸葛": "zhuge", "皇甫": "huangfu", "尉迟": "yuchi",
    "万俟": "moqi", "令狐": "linghu", "司徒": "situ", "夏侯": "xiahou", "东方": "dongfang", "慕容": "murong",
    "长孙": "zhangsun", "宇文": "yuwen", "澹台": "tantai", "公孙": "gongsun", "轩辕": "xuanyuan", "端木": "duanmu",
    "百里": "baili", "东郭": "dongguo", "南宫": "nangong", "西门": "ximen", "独孤": "dugu", "呼延": "huyan",
    "司空": "sikong", "闻人": "wenren", "赫连": "helian", "申屠": "shentu", "太史": "taishi", "钟离": "zhongli",
    "濮阳": "puyang", "淳于": "chunyu", "单于": "chanyu", "鲜于": "xianyu", "仲孙": "zhongsun", "拓跋": "tuoba",
    "完颜": "wanyan", "纳兰": "nalan", "叶赫": "yehe", "公冶": "gongye", "宗政": "zongzheng",
}  # fmt: skip
_SURNAMES = {"黑": "he", "贠": "yun", "谌": "shen"}  # readings that the dictionary lacks
_V = re.compile("(?<=[lnjqxy])v")
_LYU = re.compile("^([ln])yu")  # passports write LYU for 吕


def han_keys(name: str) -> frozenset[str]:
    """How a name with Chinese characters may be spelt, family name first: every common reading of the surname, the
    readings of the rest as far as `MAX_KEYS` goes, letters between them as they are. Empty if a character has none."""
    start = 2 if name[:2] in COMPOUND_SURNAMES and len(name) > 2 else 1
    surname = [COMPOUND_SURNAMES[name[:2]]] if start == 2 else [*_surname_readings(name[0])]
    rest = [_readings(ch)[: 2 if len(name) < 5 else 1] for ch in name[start:] if not ch.isspace()]
    ranked = sorted(product(range(len(surname)), *(range(len(one)) for one in rest)), key=sum)[:MAX_KEYS]
    options = [surname, *rest]
    keys = (_key("".join(one[i] for one, i in zip(options, pick, strict=True))) for pick in ranked)
    return frozenset(key for key in keys if key)


def latin_keys(name: str) -> frozenset[str]:
    """The letters of a name, whichever of its parts is the family name (`li min`, `min li`): all rotations, as
    compound surnames are written in two parts as well."""
    parts = [letters for part in re.split(r"[\s,]+", name) if (letters := _letters(part))]
    if len(parts) > 4:
        return frozenset({"".join(parts)})
    return frozenset("".join(parts[turn:] + parts[:turn]) for turn in range(len(parts)))


@lru_cache(4096)
def _surname_readings(ch: str) -> tuple[str, ...]:
    first = (_SURNAMES[ch],) if ch in _SURNAMES else ()
    return tuple(dict.fromkeys(first + _readings(ch)))[:4]


@lru_cache(16384)
def _readings(ch: str) -> tuple[str, ...]:
    """Toneless readings, commonest first; a letter is its own; none for a character nobody can read."""
    if not ch.isalpha() and not is_han(ch):
        return ("",)
    if ch.isascii():
        return (ch,)
    from pypinyin.pinyin_dict import pinyin_dict  # a quarter of a second: only who compares names pays

    readings = pinyin_dict.get(ord(ch), "").split(",")
    return tuple(dict.fromkeys(plain for one in readings if (plain := _plain(one))))


def _letters(part: str) -> str:
    return _key(_LYU.sub(r"\1u", _plain(part)))


def _plain(text: str) -> str:
    """Its letters a-z, without tones and accents: lǚ as lu."""
    return "".join(ch for ch in unicodedata.normalize("NFD", text) if "a" <= ch <= "z")


def _key(letters: str) -> str:
    """ü, v and u after l n j q x y are one family: 吕 is lü, lv, lu, lyu."""
    return _V.sub("u", letters)
