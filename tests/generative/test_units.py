"""Properties of units and values that no list of cases can show."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.domain.catalogue import Item
from service.ingest.values import measure_quantity, measure_text
from service.reference.catalogue_file import package_catalogue
from service.reference.ucum import read_ucum
from service.reference.units import convert, normalise_unit

ITEMS = package_catalogue().items
UNITS = sorted({item.unit for item in ITEMS.values()} - {""})
PIECES = st.sampled_from(
    [*"×x^*9⁹E/.(){}[]LluμµgUmk%％个1~ ", "10", "mL", "dL", "mg", "mol", "IU", "HP", "1.73", "m2", "m²", "FEU", "24h"]
)
WRITTEN = st.one_of(st.lists(PIECES, max_size=8).map("".join), st.text(max_size=12), st.sampled_from(UNITS))
VALUES = st.decimals(Decimal("0.001"), Decimal("99999"), places=3)

PAIRS = [
    ("718-7", "g/dL", 10), ("777-3", "10*3/uL", 1), ("777-3", "/uL", Decimal("0.001")), ("789-8", "10*6/uL", 1),
    ("14682-9", "mg/dL", Decimal("88.4017")), ("14749-6", "mg/dL", Decimal("0.0555074")),
    ("14647-2", "mg/dL", Decimal("0.0258632")), ("4544-3", "L/L", 100), ("1742-6", "ukat/L", 60),
]  # fmt: skip
"""An item, a unit of it and what a value in that unit is multiplied with, from tables of clinical chemistry."""


@given(WRITTEN)
def test_normalising_again_changes_nothing(text: str) -> None:
    once = normalise_unit(text)
    if once is not None:
        assert normalise_unit(once) == once
        assert once == "" or read_ucum(once) is not None


@pytest.mark.parametrize(("item_id", "unit", "factor"), PAIRS)
@given(value=VALUES)
@settings(max_examples=30)
def test_known_pair_never_changes_order_of_magnitude_wrongly(
    item_id: str, unit: str, factor: Decimal, value: Decimal
) -> None:
    found = convert(value, unit, ITEMS[item_id])
    assert found is not None
    assert abs(found - value * factor) <= abs(value * factor) * Decimal("0.00001")


@given(VALUES, st.sampled_from(sorted(ITEMS)), WRITTEN)
def test_there_and_back_is_where_it_began(value: Decimal, item_id: str, text: str) -> None:
    item = ITEMS[item_id]
    found = convert(value, text, item)
    unit = normalise_unit(text)
    if found is None or not unit or read_ucum(unit) is None or found == value:
        return
    back = Item("CN.BACK", "lab", "", "", item.window, unit=unit, molar_mass=item.molar_mass)
    again = convert(found, item.unit, back)
    assert again is None or abs(again - value) <= value * Decimal("0.00002")


@given(st.sampled_from(sorted(ITEMS)), VALUES, st.text(st.characters(codec="utf-8"), max_size=10))
def test_text_no_table_knows_gives_no_value(item_id: str, value: Decimal, text: str) -> None:
    item = ITEMS[item_id]
    if normalise_unit(text) is None:
        assert convert(value, text, item) is None


@given(st.text(max_size=20), st.one_of(st.none(), WRITTEN), st.sampled_from(sorted(ITEMS)))
def test_any_text_is_absent_or_kept_as_written(text: str, unit: str | None, item_id: str) -> None:
    measured = measure_text(text, unit, ITEMS[item_id])
    assert measured.is_absent or (measured.reported, measured.unit) == (text.strip(), unit)
    assert not measured.is_absent or measured.value is None


@given(VALUES, st.sampled_from(["<", "<=", ">", ">="]), st.sampled_from(UNITS), st.sampled_from(sorted(ITEMS)))
def test_comparator_is_never_lost(value: Decimal, sign: str, unit: str, item_id: str) -> None:
    item = ITEMS[item_id]
    for measured in (
        measure_text(f"{sign}{value}", unit, item),
        measure_quantity(str(value), unit, unit, sign, item),
    ):
        assert measured.reported is not None
        assert measured.reported.startswith(sign)
        if isinstance(measured.value, Decimal):
            assert measured.comparator == sign
        elif measured.value is not None:
            assert measured.value.startswith(sign)
