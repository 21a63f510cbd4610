"""Result values as sources write them, into what was reported and what is compared.

The text and unit of the source are kept as written, digits included (`6.30`). A value that cannot be brought to the
item's canonical unit with certainty stays None: the result is then for the clinician to look at, never reused by
itself. A failed reading never becomes 0, and a censored value never loses its `<`.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal

from service.domain.catalogue import Item
from service.domain.report import Measured
from service.reference.ucum import read_ucum
from service.reference.units import convert, normalise_unit

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][+-]?[0-9]{1,2})?")
_CENSORED = re.compile(r"(<=|>=|<|>)(.+)")
_TITRE = re.compile(r"1[:/]([0-9]{1,7})")
_COMPARATORS = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "≤": "<=", "≥": ">="}
_COMPARATOR_SPELLINGS = (
    ("≤", "<="),
    ("≦", "<="),
    ("⩽", "<="),
    ("≥", ">="),
    ("≧", ">="),
    ("⩾", ">="),
    ("=<", "<="),
    ("=>", ">="),
)
_COMPARATOR_WORDS = (("小于等于", "<="), ("大于等于", ">="), ("小于", "<"), ("低于", "<"), ("大于", ">"), ("高于", ">"))
_NOTHING = re.compile(r"[*—–_.·/\s?]*|-{2,}")
_NOT_DONE = frozenset({"未做", "未查", "未测", "未检", "未检测", "未检验", "空", "na", "n/a", "null"})
_NOTHING_OR_NONE = frozenset({"-", "无", "none", "nil"})
"""Nothing measured, or of a qualitative test that nothing was found: there the clinician looks."""
_NO_RESULT = re.compile(
    r"备注|另附|详见|溶血|脂血|乳糜|凝块|凝固|不合格|无法|失败|复查|待|取消|拒收|重采|重抽|重新|量少|不足|污染"
    r"|无结果|未出|未[送收]|[测验行]中|退[样检单回]|遗失|丢失|不详"
    r"|pending|progress|see|cancel|ha?emoly|insuffic|reject|error|qns|tnp|noresult|unknown|unable|missing|lost"
    r"|recollect|not(done|performed|tested|reported|available|received)",
    re.IGNORECASE,
)
"""Words in place of a result: of a qualitative item they are kept, but are no value that could be reused."""


def measure_quantity(
    number: str | None, unit_text: str | None, unit_code: str | None, comparator: str | None, item: Item | None
) -> Measured:
    """A number with its unit (FHIR R4 Quantity, HL7 v2 NM and SN).

    `number` is the source's own digits. The unit's UCUM code is preferred to its text; when both are understood and
    mean different things, or the code is not understood, the value is not converted. An unknown comparator likewise.
    """
    if number is None or not number.strip():
        return Measured()
    unit = unit_text if unit_text and unit_text.strip() else unit_code
    reported = number.strip()
    value = _read_number(reported)
    sign = _COMPARATORS.get((comparator or "").strip())
    if comparator and comparator.strip():
        reported = f"{sign or comparator.strip()}{reported}"
    if value is None or item is None or (comparator and comparator.strip() and sign is None):
        return Measured(reported, unit, None, sign)
    agreed, known = _agreed_unit(unit_text, unit_code)
    return _measured(reported, unit, value, sign, agreed, item) if known else Measured(reported, unit, None, sign)


def measure_text(text: str, unit_text: str | None, item: Item | None) -> Measured:
    """A value that came as text: `<30`, `1.2E3`, `阴性(-)`, `1:80`, `2+`, `3-5`, `****`.

    Signs that nothing was measured (`****`, `--`, `未做`, empty) are absent. A number is read as one where the item
    has a unit; words are the value of a qualitative item, and of any other item a value that cannot be compared.
    """
    reported = text.strip()
    plain = "".join(unicodedata.normalize("NFKC", reported).split())
    if _NOTHING.fullmatch(plain) or plain.casefold() in _NOT_DONE:
        return Measured()
    if plain.casefold() in _NOTHING_OR_NONE:
        return Measured(reported, unit_text) if _is_qualitative(item) else Measured()
    if item is None:
        return Measured(reported, unit_text)
    sign, rest = _split_comparator(plain.rstrip("↑↓"))
    value = _read_titre(rest) if item.unit == "{titer}" else None
    value = value if value is not None else _read_number(rest)
    if value is not None:
        return _measured(reported, unit_text, value, sign, unit_text, item)
    is_result = _is_qualitative(item) and not _unit_given(unit_text) and _NO_RESULT.search(plain) is None
    return Measured(reported, unit_text, reported if is_result else None)


def _measured(
    reported: str, unit: str | None, value: Decimal, sign: str | None, read_as: str | None, item: Item
) -> Measured:
    """The value in the item's unit. A number of a qualitative item is its text; with a unit it is not comparable."""
    if _is_qualitative(item):
        return Measured(reported, unit, None if _unit_given(read_as) else reported)
    return Measured(reported, unit, convert(value, read_as, item), sign)


def _is_qualitative(item: Item | None) -> bool:
    return item is not None and not item.unit


def _unit_given(unit: str | None) -> bool:
    return bool(unit and unit.strip() and unit.strip() != "1")


def _agreed_unit(unit_text: str | None, unit_code: str | None) -> tuple[str | None, bool]:
    """The unit to read, and whether text and code leave no doubt about it."""
    text, code = (unit_text or "").strip(), (unit_code or "").strip()
    if not code or code == text:
        return text, True
    meant = normalise_unit(code)
    if meant is None:
        return code, False
    said = normalise_unit(text)
    if not said or said == meant or read_ucum(said) == read_ucum(meant):
        return code, True
    return said, meant == "1" and _is_named_number(said)


def _is_named_number(unit: str) -> bool:
    """Whether the unit only names a pure number (`{INR}`, `{ratio}`); its UCUM code is often given as `1`."""
    read = read_ucum(unit)
    return read is not None and not read.dims and not read.kinds and read.factor == 1


def _read_number(text: str) -> Decimal | None:
    """A plain decimal number, thousands never grouped: `1,234` is 1234 to some and 1.234 to others."""
    plain = unicodedata.normalize("NFKC", text)
    if not plain.isascii() or not _NUMBER.fullmatch(plain):
        return None
    return Decimal(format(Decimal(plain), "f"))


def _read_titre(text: str) -> Decimal | None:
    match = _TITRE.fullmatch(text)
    return Decimal(match[1]) if match and int(match[1]) > 0 else None


def _split_comparator(plain: str) -> tuple[str | None, str]:
    for spelling, sign in (*_COMPARATOR_SPELLINGS, *_COMPARATOR_WORDS):
        if plain.startswith(spelling):
            return sign, plain[len(spelling) :]
    match = _CENSORED.fullmatch(plain)
    return (match[1], match[2]) if match else (None, plain)
