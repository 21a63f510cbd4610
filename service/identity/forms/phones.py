"""Telephone numbers in one form. A number is shared by families and changes hands: it supports, it never proves."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_EXTENSION = re.compile(r"(?:转|分机|ext?\.?|x|#|(?<=\d{7})[-*](?=\d{1,6}$))\s*\d{1,6}\s*$", re.IGNORECASE)
_COUNTRY = re.compile(r"^(?:00)?860?(?=1\d{9,10}$|[2-9]\d{8,10}$)")
_PREFIX = re.compile(r"1[3-9]\d(?=\d{8}$)|0(?:10|2\d|[3-9]\d\d)(?=\d{7})")  # of an operator, of an area
_RUNS = ("01234567890123456789", "98765432109876543210")
_FILLERS = re.compile(r"(\d)\1{5}|^13800138000$|^[48]00\d{7}$")
"""13800000000, 13888888888; service lines: an operator's, and 400 or 800, which are a company's."""


@lru_cache(65536)
def read_phone(text: str) -> str | None:
    """The digits of a telephone number: mobiles without country code, landlines with area code (a leading 0), others as
    they are, without extension. None when it is no number (无, too short) or a filler that many records share."""
    plain = unicodedata.normalize("NFKC", text).strip()
    digits = _digits(_EXTENSION.sub("", plain)) or _digits(plain)
    digits = _COUNTRY.sub("0", digits)
    if re.fullmatch(r"0+1[3-9]\d{9}", digits):  # also the 0 once dialled before a mobile of another city
        digits = digits.lstrip("0")
    return None if len(digits) < 7 or len(digits) > 15 or _is_filler(digits) else digits


def _digits(text: str) -> str:
    return "".join(str(unicodedata.decimal(ch)) for ch in text if ch.isdecimal())


def _is_filler(digits: str) -> bool:
    prefix = _PREFIX.match(digits)
    subscriber = digits[prefix.end() :] if prefix else digits
    return len(set(subscriber)) == 1 or any(subscriber in run for run in _RUNS) or bool(_FILLERS.search(digits))
