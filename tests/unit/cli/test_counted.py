"""One thing, several things."""

from __future__ import annotations

import pytest

from service.cli.counted import counted


@pytest.mark.parametrize(("number", "file", "entry"), [
    (0, "0 files", "0 entries"), (1, "1 file", "1 entry"), (2, "2 files", "2 entries"),
])  # fmt: skip
def test_one_is_singular(number: int, file: str, entry: str) -> None:
    assert (counted(number, "file"), counted(number, "entry", "entries")) == (file, entry)
