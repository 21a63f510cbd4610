"""One way of writing for what is written in several: width, invisible characters, dots, traditional characters."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

_DOTS = re.compile(r"[\s·•・‧∙⋅․.。･᛫⸱ꞏ\u119e^_]+")  # U+119E: what NFKC makes of the Korean dot
_SAME = str.maketrans("’‘ʼ`´【〔〖「『〈《[{】〕〗」』〉》]}‐‑‒–—―−", "'''''" + "(" * 9 + ")" * 9 + "-" * 7)
_KEPT = "乾吒夥徵拚捱於榘菸薹袷醣麴麹麽昇陞氾逕祕甦迺"
"""Converted by dictionaries of traditional Chinese, yet characters of their own in names: 李乾 is not 李干, nor 於 于.
通用规范汉字表 (2013), attachment 1, restores or never abolished them; the rest are those that GB 2312 has besides the
simplified one."""


def tidy(text: str) -> str:
    """NFKC, case folded, without invisible characters; blanks, dots, ^ and _ as one blank; brackets, apostrophes and
    dashes each in one form; simplified Chinese, character by character, so that no neighbour changes the outcome."""
    for _ in range(4):  # what is removed may let marks meet and compose
        before, text = text, _tidy_once(text)
        if text == before:
            break
    return text


def compact(text: str) -> str:
    """Tidied text without its blanks."""
    return unicodedata.normalize("NFKC", "".join(text.split()))  # a mark may have met its letter


def _tidy_once(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold()
    if not text.isalnum() or "\u119e" in text:
        text = "".join(ch for ch in text if not _is_invisible(ch))
        text = _DOTS.sub(" ", text.translate(_SAME)).strip()
    return unicodedata.normalize("NFKC", text.translate(_simplified()))


def _is_invisible(ch: str) -> bool:
    """Format characters (zero width, direction marks) and the selectors of a glyph's shape."""
    return unicodedata.category(ch) == "Cf" or "\ufe00" <= ch <= "\ufe0f" or "\U000e0100" <= ch <= "\U000e01ef"


@cache
def _simplified() -> dict[int, str]:
    """Traditional to simplified, single characters only (OpenCC t2s)."""
    from opencc import OpenCC  # its dictionaries take time to load: only who compares names pays

    blocks = (range(0x3400, 0xA000), range(0x20000, 0x33480))
    characters = [chr(code) for block in blocks for code in block]
    simple = OpenCC("t2s").convert("\n".join(characters)).split("\n")
    table = {ord(a): b for a, b in zip(characters, simple, strict=True) if a != b and a not in _KEPT}
    return {code: table.get(ord(ch), ch) for code, ch in table.items()}


def is_han(ch: str) -> bool:
    """Whether it is a Chinese character, of any plane."""
    return "\u3400" <= ch <= "\u9fff" or "\U00020000" <= ch <= "\U0003ffff" or ch == "〇"
