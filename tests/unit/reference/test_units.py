"""Units as laboratories write them, and which conversions are certain."""

from __future__ import annotations

from decimal import Decimal

import pytest

from service.domain.catalogue import Item
from service.domain.codes import LOINC
from service.domain.times import Duration
from service.reference.catalogue_file import package_catalogue
from service.reference.ucum import read_ucum
from service.reference.units import convert, normalise_unit


def item(item_id: str) -> Item:
    return package_catalogue().items[item_id]


@pytest.mark.parametrize(
    ("written", "ucum"),
    [
        ("×10⁹/L", "10*9/L"), ("x10^9/L", "10*9/L"), ("X10E9/L", "10*9/L"), ("*10^9/L", "10*9/L"),
        ("10^9/L", "10*9/L"), ("10E9/L", "10*9/L"), ("10*9/L", "10*9/L"), ("10**9/L", "10*9/L"),
        ("10~9/L", "10*9/L"), ("x10(9)/L", "10*9/L"), ("×109/L", "10*9/L"), ("E9/L", "10*9/L"), ("G/L", "10*9/L"),
        ("× 10 ^ 12 / L", "10*12/L"), ("10^3/μL", "10*3/uL"), ("K/uL", "10*3/uL"), ("K/UL", "10*3/uL"),
        ("G/l", "10*9/L"), ("10*3/mm³", "10*3/uL"),
        ("μmol/L", "umol/L"), ("µmol/L", "umol/L"), ("UMOL/L", "umol/L"), ("ｍｍｏｌ／Ｌ", "mmol/L"),
        ("IU/L", "[IU]/L"), ("uIU/mL", "u[IU]/mL"), ("μIU/ml", "u[IU]/mL"), ("mIU/L", "m[IU]/L"),
        ("kIU/L", "k[IU]/L"), ("mEq/L", "meq/L"), ("mmHg", "mm[Hg]"), ("mOsm/kg", "mosm/kg"),
        ("copies/mL", "{copies}/mL"), ("个/HP", "/[HPF]"), ("/HPF", "/[HPF]"), ("个/μL", "/uL"), ("/LP", "/[LPF]"),
        ("秒", "s"), ("℃", "Cel"), ("mg/24h", "mg/(24.h)"), ("mmol/24小时", "mmol/(24.h)"), ("％", "%"),
        ("mg/L FEU", "mg/L{FEU}"), ("ug/mL(FEU)", "ug/mL{FEU}"), ("ng/mL DDU", "ng/mL{DDU}"),
        ("mL/min/1.73m²", "mL/min/{1.73_m2}"), ("ml/(min·1.73m2)", "mL/min/{1.73_m2}"), ("mm/1h", "mm/h"),
        ("pH", "[pH]"), ("S/CO", "{s_co_ratio}"), ("INR", "{INR}"), ("", ""), ("  ", ""), ("U/ML", "U/mL"),
        ("MG/DL", "mg/dL"), ("g%", "g/dL"), ("ng/(mL·h)", "ng/mL/h"), ("U/gHb", "U/g{Hb}"), ("l/l", "l/l"),
    ],
)  # fmt: skip
def test_unit_as_written_is_understood(written: str, ucum: str) -> None:
    assert normalise_unit(written) == ucum


@pytest.mark.parametrize(
    "written",
    [
        "RU/mL",
        "阴性",
        "mmol",
        "1.73",
        "10*/L/",
        "{x",
        "mg//L",
        "见备注",
        "PEI-U/mL",
        "%O2",
        "x" * 100,
        "/",
        "()",
        "0/L",
    ],
)
def test_unit_that_nobody_knows_is_none_or_no_measure_of_the_item(written: str) -> None:
    assert convert(Decimal(5), written, item("14682-9")) is None


@pytest.mark.parametrize(
    ("value", "unit", "item_id", "expected"),
    [
        ("13.2", "g/dL", "718-7", "132"),
        ("13.20", "g/dL", "718-7", "132.0"),
        ("6.30", "g/L", "2885-2", "6.30"),
        ("250", "10^3/uL", "777-3", "250"),
        ("250", "/nL", "777-3", "250"),
        ("250000", "/uL", "777-3", "250"),
        ("4.5", "10*6/uL", "789-8", "4.5"),
        ("0.40", "L/L", "4544-3", "40"),
        ("1", "mg/dL", "14682-9", "88.4017"),
        ("100", "mg/dL", "14749-6", "5.55074"),
        ("200", "mg/dL", "14647-2", "5.17264"),
        ("150", "mg/dL", "14927-8", "1.69358"),
        ("10", "mg/dL", "14631-6", "171.040"),
        ("10", "mg/dL", "2000-8", "2.49513"),
        ("3.5", "mg/dL", "14879-1", "1.12998"),
        ("6", "mg/dL", "14933-6", "356.909"),
        ("1.2", "ng/dL", "14920-3", "15.4466"),
        ("100", "nmol/L", "5671-3", "20.72"),
        ("40", "IU/L", "1742-6", "40"),
        ("0.67", "ukat/L", "1742-6", "40.2"),
        ("2.5", "uIU/mL", "3016-3", "2.5"),
        ("500", "cells/uL", "24467-3", "500"),
        ("0.5", "10*9/L", "24467-3", "500"),
        ("5", "kPa", "2019-8", "37.5032"),
        ("0.5", "ug/mL FEU", "48065-7", "0.5"),
        ("500", "ng/mL FEU", "48065-7", "0.5"),
        ("0.15", "g/24h", "2889-4", "150"),
        ("30", "ug/mg", "9318-7", "30"),
        ("7.40", None, "2744-1", "7.40"),
        ("1.1", "", "6301-6", "1.1"),
        ("1.020", None, "5811-5", "1.020"),
        ("120", "kU/L", "10334-1", "120"),
    ],
)
def test_certain_conversion_gives_the_exact_value(value: str, unit: str | None, item_id: str, expected: str) -> None:
    found = convert(Decimal(value), unit, item(item_id))
    assert found is not None
    assert found == Decimal(expected)
    assert "E" not in str(found)


def test_digits_of_the_source_survive_powers_of_ten() -> None:
    assert str(convert(Decimal("13.20"), "g/dL", item("718-7"))) == "132.0"
    assert str(convert(Decimal("6.30"), "g/L", item("2885-2"))) == "6.30"


@pytest.mark.parametrize(
    ("unit", "item_id"),
    [
        ("meq/L", "2823-3"), ("meq/L", "2000-8"),  # equivalents need the valence
        ("mmol/mol", "4548-4"), ("%", "59261-8"),  # NGSP and IFCC differ by more than a factor
        ("mU/L", "3016-3"), ("IU/mL", "10334-1"), ("U/L", "19113-0"),  # units of activity are not each other
        ("pmol/L", "20448-7"),  # insulin: no certain molar mass for a bioassay
        ("mg/L", "48065-7"), ("mg/L DDU", "48065-7"), ("mg/L FEU", "48066-5"),  # D-dimer: which of the two?
        ("mL/min", "62238-1"),  # not scaled to the body surface
        ("copies/mL", "42595-9"), ("nmol/L", "10835-7"), ("mg/L", "43583-4"),
        ("mg/mmol", "9318-7"), ("%", "9318-7"), ("1", "4544-3"), (None, "4544-3"), ("", "718-7"), ("g", "718-7"),
        ("/HPF", "798-9"), ("/uL", "13945-1"), ("mg/L", "1742-6"), ("umol/L", "718-7"), ("mmHg", "14749-6"),
        ("%", "5811-5"), ("s", "6301-6"), ("MU/L", "1742-6"), ("G/L", "718-7"),
        ("mosm/kg", "14749-6"), ("mmol/kg", "2692-2"),
    ],
)  # fmt: skip
def test_uncertain_conversion_is_refused(unit: str | None, item_id: str) -> None:
    assert convert(Decimal(5), unit, item(item_id)) is None


def test_urea_nitrogen_converts_from_mass_only() -> None:
    nitrogen = package_catalogue().find_item(LOINC, "3094-0")
    assert nitrogen is not None
    assert convert(Decimal(14), "mg/dL", nitrogen) == Decimal("4.99768")
    assert convert(Decimal(5), "mmol/L", nitrogen) is None


def test_value_without_unit_of_a_qualitative_item_is_left_alone() -> None:
    assert convert(Decimal("0.21"), None, item("5196-1")) == Decimal("0.21")
    assert convert(Decimal("0.21"), "IU/mL", item("5196-1")) is None


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1E+40", "1E-40", "1" * 40])
def test_number_that_is_no_result_is_refused(value: str) -> None:
    assert convert(Decimal(value), "g/dL", item("718-7")) is None


def test_unusual_canonical_unit_converts_from_itself_only() -> None:
    odd = Item("CN.ODD", "lab", "怪", "odd", Duration.parse("P1D"), unit="dyn.s/cm5")
    assert convert(Decimal(5), "dyn.s/cm5", odd) == 5
    assert convert(Decimal(5), "Pa.s/m3", odd) is None


def test_every_conversion_without_molar_mass_agrees_with_an_independent_library() -> None:
    from ucumvert import PintUcumRegistry

    registry = PintUcumRegistry()
    unknown_there = {"", "[pH]", "[GPL'U]", "[MPL'U]", "[arb'U]/L"}
    units = sorted({one.unit for one in package_catalogue().items.values()} - unknown_there)
    written = {unit: registry.from_ucum(unit) for unit in [*units, "g/dL", "10*3/uL", "kPa", "ukat/L", "mg/d", "L/L"]}
    compared = 0
    for target in units:
        bare = Item("CN.BARE", "lab", "", "", Duration.parse("P1D"), unit=target)
        for unit, quantity in written.items():
            found = convert(Decimal(1), unit, bare)
            if found is not None and unit != target and "[IU]" not in unit:  # of enzymes: our own, tested above
                expected = (quantity / written[target]).to("dimensionless").magnitude
                assert float(found) == pytest.approx(float(expected), rel=1e-5), (unit, target)
                compared += 1
    assert compared > 60


@pytest.mark.parametrize("text", ["1.73m2", "mg/", "10*0/L", "μg", "(" * 40, "a" * 65, "[IU", "mgL", "Mg/L"])
def test_what_is_not_in_the_table_is_no_unit(text: str) -> None:
    assert read_ucum(text) is None


def test_units_of_one_size_are_equal() -> None:
    assert read_ucum("10*9/L") == read_ucum("/nL") == read_ucum("10^3/uL")
    assert read_ucum("mg/(24.h)") == read_ucum("mg/d")
    assert read_ucum("mmol/mol") != read_ucum("mL/L")
    assert read_ucum("mg/L{FEU}") != read_ucum("mg/L")
