"""Rows of the catalogue's files into its values, each cell checked; contract, section 3, says what they mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation

from service.domain.catalogue import CONTRAST_MODALITIES, TECHNIQUES_WITH_CONTRAST, Item, ItemCode, Panel, Region
from service.domain.codes import LOINC, SNOMED_CT, Code, is_loinc
from service.domain.times import Duration
from service.reference.csv_rows import Faults, Row
from service.reference.ucum import read_ucum

ITEM_COLUMNS = (
    "id", "kind", "loinc", "name_zh", "name_en", "unit", "specimen", "modality", "region", "technique", "contrast",
    "covers", "window", "volatile", "method_dependent", "sensitive", "dose_msv", "molar_mass", "confidence", "source",
)  # fmt: skip
ADDED_ITEM_COLUMNS = ("technique", "covers", "molar_mass")
"""Columns that a file of items may leave out; a replaced item then keeps what it had (technique: from its id)."""
PANEL_COLUMNS = ("id", "name_zh", "name_en", "required", "optional")
CODE_COLUMNS = ("item", "system", "code", "relation", "says_contrast", "molar_mass", "name")
ADDED_CODE_COLUMNS = ("molar_mass",)
REGION_COLUMNS = ("id", "name_zh", "name_en", "paired", "contains", "codes", "synonyms")
RELATIONS = ("equivalent", "mass", "molar", "method", "local")

_LOCAL_ID = re.compile(r"[A-Z][A-Z0-9]*\.[A-Z0-9]+(-[A-Z0-9]+)*")
_IMAGING_ID = re.compile(r"[A-Z]{2,4}\.[A-Z]+(\.[A-Z0-9]+)?(\.C)?")
_REGION_CODE_SYSTEMS = {"SCT": SNOMED_CT, "SRT": "SRT"}


def item_of(row: Row, codes: tuple[ItemCode, ...], faults: Faults) -> Item:
    """The item a row describes; what is wrong in it goes to `faults` and the value there is a stand-in."""
    for column in ("id", "name_zh", "name_en"):
        if not row[column]:
            faults.add(row.place(column), "is empty; every item needs one")
    kind = row["kind"]
    if kind not in ("lab", "imaging"):
        faults.add(row.place("kind"), f"{kind!r}: expected lab or imaging")
    if row["loinc"] and not is_loinc(row["loinc"]):
        faults.add(row.place("loinc"), f"{row['loinc']!r} is no LOINC code: its check digit does not fit")
    if row["contrast"] not in ("", "none", "with"):
        faults.add(row.place("contrast"), f"{row['contrast']!r}: expected with, none or nothing")
    if row["unit"] and not is_ucum(row["unit"]):
        faults.add(row.place("unit"), f"{row['unit']!r} is no UCUM unit; write for instance 10*9/L, umol/L, [IU]/mL")
    technique = row["technique"]
    if kind == "imaging":
        technique = _check_imaging(row, faults)
    elif kind == "lab":
        _check_lab(row, faults)
    modality = row["modality"]
    contrast = row["contrast"] if modality in CONTRAST_MODALITIES or row["contrast"] == "with" else ""
    own = row["loinc"] or (row["id"] if is_loinc(row["id"]) else "")
    if own and all((one.system, one.code) != (LOINC, own) for one in codes):
        codes = (ItemCode(LOINC, own), *codes)
    return Item(
        id=row["id"],
        kind=kind,
        name_zh=row["name_zh"],
        name_en=row["name_en"],
        window=_duration(row, faults),
        unit=row["unit"],
        specimen=row["specimen"],
        modality=modality,
        region=row["region"],
        technique=technique or None,
        contrast=contrast or None,
        volatile=_flag(row, "volatile", faults),
        method_dependent=_flag(row, "method_dependent", faults),
        sensitive=_flag(row, "sensitive", faults),
        dose_msv=_dose(row, faults),
        molar_mass=_positive(row, "molar_mass", faults),
        covers=tuple(row["covers"].split()),
        codes=codes,
        confidence=row["confidence"],
        source=row["source"],
    )


def _check_lab(row: Row, faults: Faults) -> None:
    for column in ("modality", "region", "technique", "contrast", "covers", "dose_msv"):
        if row[column]:
            faults.add(row.place(column), f"{row[column]!r} on a laboratory item; leave it empty")
    if not is_loinc(row["id"]) and not _LOCAL_ID.fullmatch(row["id"]):
        faults.add(row.place("id"), f"{row['id']!r}: expected a LOINC code whose check digit fits, or CN.NAME")
    if is_loinc(row["id"]) and row["loinc"] not in ("", row["id"]):
        faults.add(row.place("loinc"), f"{row['loinc']!r} differs from the id {row['id']!r}; they are the same code")


def _check_imaging(row: Row, faults: Faults) -> str:
    """Checks `MODALITY.REGION[.TECHNIQUE][.C]` against the columns; gives the technique."""
    place, item_id = row.place("id"), row["id"]
    if not _IMAGING_ID.fullmatch(item_id):
        faults.add(place, f"{item_id!r}: expected MODALITY.REGION[.TECHNIQUE][.C], such as CT.CHEST or CT.CHEST.C")
        return row["technique"]
    modality, region, *rest = item_id.split(".")
    enhanced = bool(rest) and rest[-1] == "C"
    technique = next((part for part in rest if part != "C"), "")
    for column, said in (("modality", modality), ("region", region), ("technique", technique)):
        if row[column] != said and (column != "technique" or row[column]):
            faults.add(row.place(column), f"{row[column]!r} does not agree with the id {item_id!r}; expected {said!r}")
    if row["unit"] or row["specimen"] or row["molar_mass"]:
        faults.add(row.place("unit"), "an imaging item has no unit, specimen or molar mass; leave them empty")
    implied = technique in TECHNIQUES_WITH_CONTRAST
    if implied and enhanced:
        faults.add(place, f"technique {technique} implies contrast; write {item_id.removesuffix('.C')!r}")
    elif (implied and modality == "CT" and row["contrast"] != "with") or (enhanced and row["contrast"] != "with"):
        faults.add(row.place("contrast"), f"{row['contrast']!r} where the id {item_id!r} says with")
    elif not implied and not enhanced and row["contrast"] == "with":
        faults.add(row.place("contrast"), f"'with' where the id {item_id!r} has no .C; expected none")
    return technique


def code_of(row: Row, faults: Faults) -> ItemCode:
    """The code a row of codes.csv adds to an item or panel."""
    system, code = row["system"], row["code"]
    for column in ("item", "system", "code"):
        if not row[column]:
            faults.add(row.place(column), "is empty; every code needs its item, system and code")
    if system == LOINC and not is_loinc(code):
        faults.add(row.place("code"), f"{code!r} is no LOINC code: its check digit does not fit")
    if row["relation"] not in RELATIONS:
        faults.add(row.place("relation"), f"{row['relation']!r}: expected one of {', '.join(RELATIONS)}")
    says_contrast = _flag(row, "says_contrast", faults) if row["says_contrast"] else True
    return ItemCode(system, code, row["relation"], says_contrast, _positive(row, "molar_mass", faults))


def panel_of(row: Row, codes: tuple[ItemCode, ...], faults: Faults) -> Panel:
    """The panel a row describes; a LOINC id is also its code."""
    for column in ("id", "name_zh", "name_en", "required"):
        if not row[column]:
            faults.add(row.place(column), "is empty; every panel needs one")
    required, optional = tuple(row["required"].split()), tuple(row["optional"].split())
    members = required + optional
    for twice in sorted({one for one in members if members.count(one) > 1}):
        faults.add(row.place("required"), f"{twice} is a member twice; name it once")
    if is_loinc(row["id"]):
        codes = (ItemCode(LOINC, row["id"]), *codes)
    elif not _LOCAL_ID.fullmatch(row["id"]):
        faults.add(row.place("id"), f"{row['id']!r}: expected a LOINC code whose check digit fits, or CN.NAME")
    return Panel(row["id"], row["name_zh"], row["name_en"], required, optional, codes)


def region_of(row: Row, faults: Faults) -> Region:
    """The body region a row describes; its codes are written `SCT:51185008` or `SRT:T-D3000`."""
    codes: list[Code] = []
    for text in row["codes"].split():
        scheme, _, code = text.partition(":")
        if scheme not in _REGION_CODE_SYSTEMS or not code:
            faults.add(row.place("codes"), f"{text!r}: expected SCT:… or SRT:…")
        else:
            codes.append(Code(_REGION_CODE_SYSTEMS[scheme], code))
    if not re.fullmatch(r"[A-Z0-9]+", row["id"]):
        faults.add(row.place("id"), f"{row['id']!r}: expected a DICOM body part in capitals, such as CHEST")
    return Region(
        row["id"], row["name_zh"], row["name_en"], tuple(row["contains"].split()), _flag(row, "paired", faults),
        tuple(codes), tuple(word for word in (part.strip() for part in row["synonyms"].split("|")) if word),
    )  # fmt: skip


def is_ucum(text: str) -> bool:
    """Whether `text` is a UCUM unit. The grammar of ucumvert is asked only for units we cannot evaluate ourselves."""
    if read_ucum(text) is not None:
        return True
    from lark.exceptions import LarkError  # together 0.3 s to import: for unusual units only
    from ucumvert.parser import get_ucum_parser

    try:
        get_ucum_parser().parse(text)
    except LarkError:
        return False
    return True


def _flag(row: Row, column: str, faults: Faults) -> bool:
    if row[column] not in ("yes", "no"):
        faults.add(row.place(column), f"{row[column]!r}: expected yes or no")
    return row[column] == "yes"


def _duration(row: Row, faults: Faults) -> Duration:
    try:
        return Duration.parse(row["window"])
    except ValueError:
        faults.add(row.place("window"), f"{row['window']!r}: expected an ISO 8601 duration such as P30D or PT6H")
        return Duration.parse("P0D")


def _positive(row: Row, column: str, faults: Faults) -> Decimal | None:
    return _number(row, column, faults, lambda number: number > 0, "a number above 0, in g/mol")


def _dose(row: Row, faults: Faults) -> float | None:
    dose = _number(row, "dose_msv", faults, lambda number: 0 <= number <= 1000, "a dose in mSv from 0 to 1000")
    return None if dose is None else float(dose)


def _number(row: Row, column: str, faults: Faults, fits: Callable[[Decimal], bool], expected: str) -> Decimal | None:
    text = row[column]
    if not text:
        return None
    try:
        number = Decimal(text)
        if number.is_finite() and fits(number):
            return number
    except InvalidOperation:
        pass
    faults.add(row.place(column), f"{text!r}: expected {expected}")
    return None
