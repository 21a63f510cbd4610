"""How a number of things is written."""

from __future__ import annotations


def counted(number: int, one: str, several: str = "") -> str:
    """`1 file`, `2 files`; `several` where an s behind `one` is not its plural."""
    return f"{number} {one if number == 1 else several or one + 's'}"
