"""Keys of sound: how a name is spelt in Latin letters. A weak key; people who share it are not one person."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import product

from service.identity.forms.characters import is_han

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
_SURNAMES = {  # read otherwise as surnames than the dictionary's first reading
    "单": "shan", "曾": "zeng", "解": "xie", "查": "zha", "仇": "qiu", "区": "ou", "翟": "zhai", "盖": "ge",
    "乐": "yue",
    "缪": "miao", "朴": "piao", "种": "chong", "秘": "bi", "祕": "bi", "员": "yun", "贠": "yun", "黑": "he", "繁": "po",
    "洗": "xian", "折": "she", "覃": "qin", "召": "shao", "隗": "wei", "句": "gou", "能": "nai", "郇": "xun",
    "郗": "chi",
    "卜": "bu", "谌": "shen", "阚": "kan", "澹": "tan", "佴": "nai", "乜": "nie", "粘": "nian", "角": "jue",
    "祭": "zhai",
    "柏": "bo", "莘": "xin", "车": "ju", "那": "nuo", "贾": "gu", "宓": "fu", "尉": "yu", "郄": "xi", "重": "chong",
}  # fmt: skip
_BOTH = {  # read in two ways in given names today; the dictionary's other readings are old, or of other words
    "乐": "yue", "晟": "sheng", "茜": "xi", "长": "chang", "朝": "zhao", "行": "hang", "重": "chong", "曾": "zeng",
    "柏": "bo", "盛": "cheng", "莎": "suo", "隽": "jun", "卜": "bu", "阿": "e", "艾": "yi", "都": "du", "扎": "za",
    "莘": "xin", "颉": "xie", "澹": "tan", "蔓": "wan", "泊": "bo", "佛": "fo", "薄": "bo", "卡": "qia", "拓": "ta",
    "筠": "jun", "藏": "zang", "参": "shen", "省": "xing", "单": "shan", "翟": "zhai", "娜": "nuo",
    "伽": "jia", "甫": "pu", "沓": "ta", "率": "shuai", "著": "zhuo", "屏": "bing", "徵": "zhi",
    "尉": "yu", "蔚": "yu", "玢": "fen", "俟": "si",
    "鹄": "hu", "琢": "zhuo", "杉": "sha", "焯": "zhuo", "炅": "gui", "厦": "xia",
}  # fmt: skip
_V = re.compile("(?<=[lnjqxy])v")
_LYU = re.compile("^([ln])yu")  # passports write LYU for 吕


def han_keys(name: str) -> frozenset[str]:
    """How a name with Chinese characters may be spelt, family name first: with the surname's reading and the usual one,
    with both readings of those characters that have two, up to `MAX_KEYS` keys; letters between them as they are. Empty
    if nobody can read a character."""
    start = 2 if name[:2] in COMPOUND_SURNAMES and len(name) > 2 else 1
    surname = (COMPOUND_SURNAMES[name[:2]],) if start == 2 else _surname_readings(name[0])
    rest = [_readings(ch)[: 2 if len(name) < 7 else 1] for ch in name[start:] if not ch.isspace()]
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


def _surname_readings(ch: str) -> tuple[str, ...]:
    usual = _readings(ch)
    return usual if ch not in _SURNAMES else (_SURNAMES[ch], *(one for one in usual if one != _SURNAMES[ch]))


@lru_cache(16384)
def _readings(ch: str) -> tuple[str, ...]:
    """Toneless readings, the usual one first; a letter is its own; none for a character nobody can read."""
    if not ch.isalpha() and not is_han(ch):
        return ("",)
    if ch.isascii():
        return (ch,)
    from pypinyin.pinyin_dict import pinyin_dict  # a quarter of a second: only who compares names pays

    usual = _plain(pinyin_dict.get(ord(ch), "").split(",")[0])
    return tuple(dict.fromkeys((usual, _BOTH.get(ch, usual)))) if usual else ()


def _letters(part: str) -> str:
    return _key(_LYU.sub(r"\1u", _plain(part)))


def _plain(text: str) -> str:
    """Its letters a-z, without tones and accents: lǚ as lu."""
    return "".join(ch for ch in unicodedata.normalize("NFD", text) if "a" <= ch <= "z")


def _key(letters: str) -> str:
    """ü, v and u after l n j q x y are one family: 吕 is lü, lv, lu, lyu."""
    return _V.sub("u", letters)
