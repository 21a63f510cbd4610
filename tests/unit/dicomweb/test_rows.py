"""Rows of a search: what a viewer lists."""

from __future__ import annotations

import pytest

from service.dicomweb.rows import person_name


@pytest.mark.parametrize(("names", "expected"), [
    (("Wang Xiaolan", "Xiaolan Wang", "王晓岚"), {"Alphabetic": "Wang Xiaolan", "Ideographic": "王晓岚"}),
    (("王晓岚", "Wang Xiaolan"), {"Alphabetic": "Wang Xiaolan", "Ideographic": "王晓岚"}),
    (("李明",), {"Alphabetic": "李明"}),  # as archives give it: most viewers show this group alone
    (("Li Ming",), {"Alphabetic": "Li Ming"}),
    ((), None),
])  # fmt: skip
def test_a_name_is_given_in_both_writings_where_both_are_known(
    names: tuple[str, ...], expected: dict[str, str] | None
) -> None:
    assert person_name(names) == expected
