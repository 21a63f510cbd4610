"""Units as laboratories write them, and conversion to an item's canonical unit, only where it is certain.

What is not surely convertible is None: the result is then offered for the clinician's look (contract, reason
`unit-unknown`), with its value only as reported. The traps and measured failures are in docs/catalogue.md.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from importlib import resources

from service.domain.catalogue import Item
from service.reference.ucum import Unit, read_ucum

_SIX_DIGITS = Context(prec=6, rounding=ROUND_HALF_EVEN)
"""Molar masses are known to five or six digits; more in the result would be invented."""

_UNITLESS = frozenset({"", "1", "{INR}", "{ratio}", "{titer}", "[pH]"})
"""Canonical units that are no measure: a value without a unit, or with `1`, means the same."""

_ENZYME_UNITS = frozenset({"U/L", "U/g{Hb}"})
_ENZYME_FACTORS = {"U": Fraction(1), "[IU]": Fraction(1), "kat": Fraction(60_000_000)}
"""One U is one [IU] of an enzyme, 1 kat is 60 MU; for hormones and antibodies the three are different things."""

_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_RAISED = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+")
_TEN_TO_THE = re.compile(r"(?<![0-9])[×xX*]?10(?:(?:\*\*|[*^∧ˆ˄~eE])\(?([+-]?[0-9]{1,2})\)?|\(([+-]?[0-9]{1,2})\))")
_LOST_POWER = re.compile(r"^[×xX*]10([0-9]{1,2})(?=/)")
_BARE_POWER = re.compile(r"^[×xX]?[eE]([0-9]{1,2})(?=/)")
_IU = re.compile(r"(?<![A-Za-z\[])([mukn]?)IU(?![A-Za-z\]])")
_DIMER_UNIT = re.compile(r"[(\[{ ]*(FEU|DDU)[)\]} ]*", re.IGNORECASE)
_BODY_SURFACE = re.compile(r"[/.*]?\(?\{?1\.73_?\.?\(?m2\)?\}?\)?", re.IGNORECASE)
_PER_DAY = re.compile(r"/\(?(?:24\.?(?:h|hr|hrs|H|小时)|天|日|day)\)?$")
_POWER_OF_LETTER = re.compile(r"(?<=[A-Za-z])\^(?=[0-9])")


def convert(value: Decimal, unit_text: str | None, item: Item) -> Decimal | None:
    """`value` in the item's canonical unit, or None when that is not certain.

    Powers of ten are exact (13.2 g/dL is 132 g/L); other factors, molar masses above all, give six significant
    digits. Equivalents, [IU] of anything but an enzyme, annotations that differ (`{FEU}`, `{1.73_m2}`), pure numbers
    of another kind (mmol/mol for %) and unknown units are refused.
    """
    if not value.is_finite() or abs(value.adjusted()) > 30 or len(value.as_tuple().digits) > 28:
        return None
    factor = _factor(unit_text or "", item.unit, item.molar_mass, item.mass_only)
    return None if factor is None else _multiply(value, factor)


@lru_cache(maxsize=8192)
def _factor(unit_text: str, canonical: str, molar_mass: Decimal | None, mass_only: bool) -> Fraction | None:
    """What a value in `unit_text` is multiplied with to be in `canonical`; None when that is not certain."""
    if unit_text.strip() == canonical and not mass_only:
        return Fraction(1)
    text = normalise_unit(unit_text)
    if text is None:
        return None
    if canonical in _UNITLESS:
        return Fraction(1) if canonical and text in ("", "1", canonical) else None
    source, target = read_ucum(text), read_ucum(canonical)
    if source is None or target is None or source.notes != target.notes:
        return None
    if canonical in _ENZYME_UNITS:
        source, target = _as_enzyme(source), _as_enzyme(target)
    if source.dims != target.dims:
        return _molar_factor(source, target, molar_mass, mass_only)
    if mass_only or not (source.dims or _same_kind(source, target, canonical)):
        return None
    return source.factor / target.factor


def _same_kind(source: Unit, target: Unit, canonical: str) -> bool:
    """Whether two pure numbers are of one kind.

    A percentage may come as a fraction of volumes (haematocrit 0.40 L/L), never as mmol/mol: HbA1c in mmol/mol (IFCC)
    and in % (NGSP) differ by more than a factor. `1` is no fraction either: many write it for "no unit".
    """
    if source.kinds == target.kinds:
        return bool(source.kinds) or source.factor != 1
    return canonical == "%" and source.kinds == {"m"}


def _as_enzyme(unit: Unit) -> Unit:
    for name, factor in _ENZYME_FACTORS.items():
        if (name, 1) in unit.dims:
            dims = tuple(sorted(("U" if one == name else one, count) for one, count in unit.dims))
            return Unit(unit.factor * factor, dims, unit.kinds, unit.notes)
    return unit


def _molar_factor(source: Unit, target: Unit, molar_mass: Decimal | None, mass_only: bool) -> Fraction | None:
    """The factor between mass and amount of substance, from the analyte's molar mass in g/mol."""
    if molar_mass is None:
        return None
    given, wanted = dict(source.dims), dict(target.dims)
    mass_to_amount = given.pop("g", 0) == 1 and wanted.pop("mol", 0) == 1
    if not mass_to_amount:
        given, wanted = dict(source.dims), dict(target.dims)
        if given.pop("mol", 0) != 1 or wanted.pop("g", 0) != 1 or mass_only:
            return None
    if given != wanted:
        return None
    mass = Fraction(molar_mass)
    return source.factor / target.factor * (1 / mass if mass_to_amount else mass)


def _multiply(value: Decimal, factor: Fraction) -> Decimal:
    if factor == 1:
        return value
    power = _power_of_ten(factor)
    if power is not None:
        return _plain(value.scaleb(power))
    exact = Fraction(value) * factor
    return _plain(_SIX_DIGITS.divide(Decimal(exact.numerator), Decimal(exact.denominator)).normalize())


def _power_of_ten(factor: Fraction) -> int | None:
    if factor.numerator != 1 and factor.denominator != 1:
        return None
    digits = str(max(factor.numerator, factor.denominator))
    if digits.rstrip("0") != "1":
        return None
    return (len(digits) - 1) * (1 if factor.denominator == 1 else -1)


def _plain(value: Decimal) -> Decimal:
    """The same number without an exponent: `1.32E+2` would be shown to people."""
    return Decimal(format(value, "f"))


@lru_cache(maxsize=8192)
def normalise_unit(text: str) -> str | None:
    """The UCUM spelling of a unit as people write it (`×10⁹/L`, `IU/ml`, `个/HP`, `mmHg`); None when it is unknown.

    Nothing written gives "". Normalising again changes nothing.
    """
    if len(text) > 64:
        return None
    raised = _RAISED.sub(lambda found: "^" + found[0].translate(_SUPERSCRIPT), text)
    plain = unicodedata.normalize("NFKC", raised).replace("μ", "u").replace("·", ".").replace("•", ".")
    plain = re.sub(r"\s+", "", plain)
    if not plain:
        return ""
    known = _alias(plain)
    if known is None:
        known = _alias(_spell(plain)) or _spell(plain)
    return known if known and read_ucum(known) is not None else None


def _spell(text: str) -> str:
    """Rewrites what people write otherwise than UCUM, whatever unit it stands in."""
    text = _TEN_TO_THE.sub(lambda found: f"10*{int(found[1] or found[2])}", text)
    text = _LOST_POWER.sub(r"10*\1", text)
    text = _BARE_POWER.sub(r"10*\1", text)
    text = _POWER_OF_LETTER.sub("", text)
    text = _PER_DAY.sub("/(24.h)", text)
    text = _IU.sub(r"\1[IU]", text)
    if (dimer := _DIMER_UNIT.search(text)) is not None:
        text = _DIMER_UNIT.sub("", text) + "{" + dimer[1].upper() + "}"
    if _BODY_SURFACE.search(text) is not None:
        text = _BODY_SURFACE.sub("", text).replace("(", "").replace(")", "") + "/{1.73_m2}"
    return text


def _alias(text: str) -> str | None:
    exact, folded = _aliases()
    return exact.get(text) or folded.get(text.casefold())


@lru_cache(maxsize=1)
def _aliases() -> tuple[dict[str, str], dict[str, str]]:
    """Spellings to UCUM from data/units.csv: those where capitals count, and the others, case-folded."""
    text = (resources.files("service.reference") / "data" / "units.csv").read_text(encoding="utf-8")
    exact: dict[str, str] = {}
    folded: dict[str, str] = {}
    for row in csv.DictReader(text.splitlines()):
        for spelling in row["spellings"].split():
            if row["case"] == "exact":
                exact[spelling] = row["ucum"]
            else:
                folded[spelling.casefold()] = row["ucum"]
    return exact, folded
