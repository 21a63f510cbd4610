"""The part of UCUM that laboratories report in, evaluated exactly.

Why not a units library at run time: every value must come out exact (13.2 g/dL is 132 g/L), amount, equivalents,
[IU], U and annotations must stay apart (a library turns meq into mmol one to one, and drops `{FEU}`), and an unknown
unit must be refused. What is not in the tables here does not parse, and what does not parse is not convertible.
The tests compare every result with ucumvert and pint. Source of atoms and prefixes: UCUM 2.1, tables 2-4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

_PREFIXES: Mapping[str, int] = {
    "k": 3, "h": 2, "da": 1, "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18,
}  # fmt: skip
"""No prefix from mega up: laboratories that write in capitals (`U/ML`) mean milli, and no result needs them."""

_Dims = tuple[tuple[str, int], ...]

_METRIC: Mapping[str, tuple[Fraction, _Dims]] = {
    "g": (Fraction(1), (("g", 1),)),
    "m": (Fraction(1), (("m", 1),)),
    "s": (Fraction(1), (("s", 1),)),
    "L": (Fraction(1, 1000), (("m", 3),)),
    "l": (Fraction(1, 1000), (("m", 3),)),
    "mol": (Fraction(1), (("mol", 1),)),
    "eq": (Fraction(1), (("eq", 1),)),
    "osm": (Fraction(1), (("osm", 1),)),
    "U": (Fraction(1), (("U", 1),)),
    "kat": (Fraction(1), (("kat", 1),)),
    "[IU]": (Fraction(1), (("[IU]", 1),)),
    "[iU]": (Fraction(1), (("[IU]", 1),)),
    "Pa": (Fraction(1000), (("g", 1), ("m", -1), ("s", -2))),
    "m[Hg]": (Fraction(133_322_000), (("g", 1), ("m", -1), ("s", -2))),
    "[arb'U]": (Fraction(1), (("[arb'U]", 1),)),
}

_PLAIN: Mapping[str, tuple[Fraction, _Dims]] = {
    "10*": (Fraction(10), ()),
    "10^": (Fraction(10), ()),
    "%": (Fraction(1, 100), ()),
    "[ppth]": (Fraction(1, 1000), ()),
    "min": (Fraction(60), (("s", 1),)),
    "h": (Fraction(3600), (("s", 1),)),
    "d": (Fraction(86_400), (("s", 1),)),
    "[pH]": (Fraction(1), (("[pH]", 1),)),
    "[HPF]": (Fraction(1), (("[HPF]", 1),)),
    "[LPF]": (Fraction(1), (("[LPF]", 1),)),
    "[GPL'U]": (Fraction(1), (("[GPL'U]", 1),)),
    "[MPL'U]": (Fraction(1), (("[MPL'U]", 1),)),
    "Cel": (Fraction(1), (("Cel", 1),)),
}

_COUNTED = frozenset({"cell", "cells", "#", "count", "number"})
"""Annotations that only say that something is counted; every other one must agree between two units."""

_TOKEN = re.compile(
    r"(?P<annotation>\{[^{}\s]+\})|(?P<sign>[./()])|(?P<power>10[*^])|(?P<number>[0-9]+)(?![*^])"
    r"|(?P<atom>(?:[A-Za-z%]|\[[A-Za-z'_0-9]+\])+)"
)
_DECIMAL = re.compile(r"[0-9]\.[0-9]")  # UCUM reads 1.73 as 1 times 73; nobody means that
_EXPONENT = re.compile(r"[+-]?[0-9]{1,2}")
_NOTE = re.compile(r"\{[^{}]*\}")
_MAX_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit's size in base units and its dimensions.

    `kinds` are the base units it is built from before they cancel: `mol/mol` and `L/L` are both pure numbers, yet an
    HbA1c of 53 mmol/mol is not 5.3 %. `notes` are its annotations (`{FEU}`, `{1.73_m2}`), lower case.
    """

    factor: Fraction
    dims: _Dims
    kinds: frozenset[str] = frozenset()
    notes: frozenset[str] = frozenset()


@lru_cache(maxsize=4096)
def read_ucum(text: str) -> Unit | None:
    """The unit that `text` is in case-sensitive UCUM, or None when it is none of those known here."""
    if not text or len(text) > _MAX_LENGTH or not text.isascii() or _DECIMAL.search(_NOTE.sub("", text)):
        return None
    try:
        reader = _Reader(text)
        unit = reader.term()
        return unit if reader.at == len(text) else None
    except ValueError:
        return None


class _Reader:
    """Recursive descent over UCUM's grammar: terms of components joined by `.` and `/`, from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def term(self) -> Unit:
        result = Unit(Fraction(1), ())
        sign = 1
        if self._take("/"):
            sign = -1
        while True:
            result = _times(result, self.component(), sign)
            if self._take("."):
                sign = 1
            elif self._take("/"):
                sign = -1
            else:
                return result

    def component(self) -> Unit:
        if self._take("("):
            inner = self.term()
            if not self._take(")"):
                raise ValueError("unclosed parenthesis")
            return inner
        match = _TOKEN.match(self.text, self.at)
        if match is None or match["sign"]:
            raise ValueError("a unit was expected")
        self.at = match.end()
        if match["annotation"]:
            return _noted(match["annotation"])
        if match["number"]:
            if int(match["number"]) == 0:
                raise ValueError("zero is no unit")
            unit = Unit(Fraction(int(match["number"])), ())
        else:
            unit = _power(_atom(match["power"] or match["atom"]), self._exponent())
        following = _TOKEN.match(self.text, self.at)
        if following is not None and following["annotation"]:
            self.at = following.end()
            return _times(unit, _noted(following["annotation"]), 1)
        return unit

    def _exponent(self) -> int:
        match = _EXPONENT.match(self.text, self.at)
        if match is None:
            return 1
        self.at = match.end()
        return int(match[0])

    def _take(self, sign: str) -> bool:
        if self.text.startswith(sign, self.at):
            self.at += 1
            return True
        return False


def _noted(annotation: str) -> Unit:
    name = annotation[1:-1].casefold()
    return Unit(Fraction(1), (), frozenset(), frozenset() if name in _COUNTED else frozenset({name}))


def _atom(symbol: str) -> Unit:
    found = _PLAIN.get(symbol) or _METRIC.get(symbol)
    scale = Fraction(1)
    if found is None:
        prefix = next((p for p in _PREFIXES if symbol.startswith(p) and symbol[len(p) :] in _METRIC), None)
        if prefix is None:
            raise ValueError(f"unknown unit {symbol}")
        found, scale = _METRIC[symbol[len(prefix) :]], Fraction(10) ** _PREFIXES[prefix]
    factor, dims = found
    return Unit(factor * scale, dims, frozenset(name for name, _ in dims))


def _power(unit: Unit, exponent: int) -> Unit:
    if exponent == 0:
        raise ValueError("an exponent of zero")
    dims = tuple((name, count * exponent) for name, count in unit.dims)
    return Unit(unit.factor**exponent, dims, unit.kinds, unit.notes)


def _times(left: Unit, right: Unit, sign: int) -> Unit:
    counts = dict(left.dims)
    for name, count in right.dims:
        counts[name] = counts.get(name, 0) + sign * count
    dims = tuple(sorted((name, count) for name, count in counts.items() if count))
    return Unit(left.factor * right.factor**sign, dims, left.kinds | right.kinds, left.notes | right.notes)
