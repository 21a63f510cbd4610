"""Result values as sources write them: what is kept, what is compared, what is nothing."""

from __future__ import annotations

from decimal import Decimal

import pytest

from service.domain.catalogue import Item
from service.domain.report import Measured
from service.ingest.values import measure_quantity, measure_text
from service.reference.catalogue_file import package_catalogue


def item(item_id: str) -> Item:
    return package_catalogue().items[item_id]


def number(text: str) -> Decimal:
    return Decimal(text)


@pytest.mark.parametrize(
    ("text", "unit", "item_id", "value", "comparator"),
    [
        ("13.2", "g/dL", "718-7", number("132"), None),
        (" 6.30 ", "g/L", "2885-2", number("6.30"), None),
        ("<30", "mg/L", "1988-5", number("30"), "<"),
        ("＜0.5", "ng/mL", "33959-8", number("0.5"), "<"),
        (">=4", "g/L", "3255-7", number("4"), ">="),
        ("≥ 4", "g/L", "3255-7", number("4"), ">="),
        ("≤5", "mg/L", "1988-5", number("5"), "<="),
        ("小于0.5", "ng/mL", "33959-8", number("0.5"), "<"),
        ("<0.5", "g/dL", "718-7", number("5"), "<"),
        ("1.2E3", "IU/mL", "42595-9", number("1200"), None),
        ("12.3↑", "g/dL", "718-7", number("123"), None),
        ("-2.5", "mmol/L", "1925-7", number("-2.5"), None),
        ("１３２", "g/L", "718-7", number("132"), None),
        ("1:80", None, "5048-4", number("80"), None),
        ("<1:10", None, "5048-4", number("10"), "<"),
        ("1.020", "", "5811-5", number("1.020"), None),
        ("阴性(-)", None, "5196-1", "阴性(-)", None),
        ("弱阳性", "", "5196-1", "弱阳性", None),
        ("2+", None, "20454-5", "2+", None),
        ("未检出", "", "CN.EBV-DNA", "未检出", None),
        ("1:80", None, "8061-4", "1:80", None),
        ("0.21", None, "5196-1", "0.21", None),
        ("<0.05", "", "5196-1", "<0.05", None),
    ],
)
def test_text_that_is_a_certain_value(
    text: str, unit: str | None, item_id: str, value: Decimal | str, comparator: str | None
) -> None:
    assert measure_text(text, unit, item(item_id)) == Measured(text.strip(), unit, value, comparator)


@pytest.mark.parametrize(
    ("text", "unit", "item_id"),
    [
        ("阴性", None, "718-7"), ("见备注", "g/L", "718-7"), ("3-5", "/HP", "13945-1"), ("9～50", "U/L", "1742-6"),
        ("3.5--9.5", "10*9/L", "6690-2"), ("1,234", "U/L", "2157-6"), ("132", None, "718-7"),
        ("未检出", None, "42595-9"),
        ("1.2.3", "g/L", "718-7"), ("1e999", "g/L", "718-7"), ("0x10", "g/L", "718-7"), ("٣", "g/L", "718-7"),
        ("<<5", "mg/L", "1988-5"), ("1:0", None, "5048-4"), ("&gt;999", "ng/mL", "1834-1"), ("nan", "g/L", "718-7"),
        ("0.21", "S/CO", "5196-1"), ("阳性", "COI", "5196-1"),
        ("-", None, "5196-1"), ("无", None, "5196-1"),  # negative, or nothing done?
        ("见备注", None, "5196-1"), ("标本溶血", None, "5196-1"), ("待复查", None, "5196-1"), ("QNS", "", "5196-1"),
        ("not done", "", "5196-1"), ("无结果", None, "5196-1"), ("检测中", None, "5196-1"), ("已退样", None, "5196-1"),
        ("in progress", None, "5196-1"),
    ],
)  # fmt: skip
def test_text_in_doubt_is_kept_and_not_compared(text: str, unit: str | None, item_id: str) -> None:
    assert measure_text(text, unit, item(item_id)) in (
        Measured(text, unit, None, None),
        Measured(text, unit, None, "<"),
    )


@pytest.mark.parametrize("text", ["", "  ", "****", "*", "--", "---", "—", "/", "未做", "未检", "N/A", "？"])
@pytest.mark.parametrize("item_id", ["718-7", "5196-1"])
def test_sign_that_nothing_was_measured_is_absent(text: str, item_id: str) -> None:
    assert measure_text(text, "g/L", item(item_id)).is_absent


@pytest.mark.parametrize("text", ["-", "无", "None"])
def test_nothing_in_place_of_a_number_is_absent(text: str) -> None:
    assert measure_text(text, "g/L", item("718-7")).is_absent


def test_value_of_an_unknown_item_is_kept_only() -> None:
    assert measure_text("5.5", "g/L", None) == Measured("5.5", "g/L")
    assert measure_quantity("5.5", "g/L", "g/L", None, None) == Measured("5.5", "g/L")


@pytest.mark.parametrize(
    ("value", "text", "code", "comparator", "item_id", "expected"),
    [
        ("13.2", "g/dL", "g/dL", None, "718-7", Measured("13.2", "g/dL", number("132"))),
        ("6.30", "克/升", "g/L", None, "2885-2", Measured("6.30", "克/升", number("6.30"))),
        ("6.30", None, "g/L", None, "2885-2", Measured("6.30", "g/L", number("6.30"))),
        ("250", "x10^9/L", "10*9/L", None, "777-3", Measured("250", "x10^9/L", number("250"))),
        ("250", "x10^9/L", None, None, "777-3", Measured("250", "x10^9/L", number("250"))),
        ("7.4", "pH", "pH", None, "2744-1", Measured("7.4", "pH", number("7.4"))),
        ("1.1", "INR", "1", None, "6301-6", Measured("1.1", "INR", number("1.1"))),
        ("45", "%O2", "%", None, "4544-3", Measured("45", "%O2", number("45"))),
        ("5", "mg/L", "mg/L", "<", "1988-5", Measured("<5", "mg/L", number("5"), "<")),
        ("5", "mg/L", "mg/L", ">=", "1988-5", Measured(">=5", "mg/L", number("5"), ">=")),
        ("0.05", "", "", "<", "5196-1", Measured("<0.05", "", "<0.05")),
    ],
)
def test_quantity_that_is_certain(
    value: str, text: str | None, code: str | None, comparator: str | None, item_id: str, expected: Measured
) -> None:
    assert measure_quantity(value, text, code, comparator, item(item_id)) == expected


@pytest.mark.parametrize(
    ("text", "code", "comparator"),
    [
        ("g/dL", "g/L", None),  # text and code mean different things
        ("g/L", "xyz", None),  # a code that is no unit: who knows which of the two is right
        ("%", "1", None),
        (None, None, None),
        ("g/L", "g/L", "~"),  # an unknown comparator
        ("g/L", "g/L", "ad"),  # R5: sufficient to achieve this total quantity
    ],
)
def test_quantity_in_doubt_is_kept_and_not_compared(text: str | None, code: str | None, comparator: str | None) -> None:
    measured = measure_quantity("132", text, code, comparator, item("718-7"))
    assert not measured.unit_is_known
    assert measured.reported is not None
    assert measured.reported.endswith("132")


@pytest.mark.parametrize("value", [None, "", "  "])
def test_quantity_without_number_is_absent(value: str | None) -> None:
    assert measure_quantity(value, "g/L", "g/L", None, item("718-7")).is_absent


def test_quantity_that_is_no_number_never_becomes_zero() -> None:
    assert measure_quantity("abc", "g/L", "g/L", None, item("718-7")) == Measured("abc", "g/L")
