"""Values of a DICOM data set: each read on its own, a bad one read as absent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Protocol, Self

from pydicom.dataset import Dataset

from service.ingest.dicom.charsets import decode_text, read_terms


class Values(Protocol):
    """The elements of one data set, read by tag. `repairs` collects the character set repairs that were needed."""

    repairs: set[str]

    def text(self, tag: int) -> str:
        """The whole value as text, padding gone; "" when absent. Backslashes stay."""

    def texts(self, tag: int) -> list[str]:
        """The values of a multi-valued element (PS3.5 6.4), empty ones left out."""

    def items(self, tag: int) -> Sequence[Self]:
        """The items of a sequence."""

    def double(self, tag: int) -> float | None:
        """The first number of an FD element, if it is a finite one."""


class FileValues:
    """The values of a data set read from a file, from their raw bytes."""

    __slots__ = ("_dataset", "_terms", "repairs")

    def __init__(self, dataset: Dataset, terms: tuple[str, ...], repairs: set[str] | None = None) -> None:
        self._dataset = dataset
        own = self._raw(0x00080005)  # an item may declare its own character set (PS3.3 C.12.1.1.2)
        self._terms = read_terms(own) if own else terms
        self.repairs: set[str] = set() if repairs is None else repairs

    def text(self, tag: int) -> str:
        """The whole value as text, padding gone; "" when absent. Backslashes stay."""
        raw = self._raw(tag)
        if raw.isascii() and b"\x1b" not in raw:
            return raw.decode("ascii").strip(" \0\t\r\n")
        decoded = decode_text(raw, self._terms)
        if decoded.repair is not None:
            self.repairs.add(decoded.repair)
        return decoded.text.strip(" \0\t\r\n")

    def texts(self, tag: int) -> list[str]:
        """The values of a multi-valued element (PS3.5 6.4), empty ones left out."""
        return [part for one in self.text(tag).split("\\") if (part := one.strip())]

    def items(self, tag: int) -> list[FileValues]:
        """The items of a sequence."""
        found = self._converted(tag)
        return [FileValues(one, self._terms, self.repairs) for one in found if isinstance(one, Dataset)]

    def double(self, tag: int) -> float | None:
        """The first number of an FD element, if it is a finite one."""
        number = next(iter(self._converted(tag)), None)
        return number if isinstance(number, float) and math.isfinite(number) else None

    def _raw(self, tag: int) -> bytes:
        """The bytes as they are in the file: pydicom's own decoding loses those of a wrong character set."""
        element = self._dataset.get_item(tag, keep_deferred=True)
        value = None if element is None else element.value
        return value if isinstance(value, bytes) else b""

    def _converted(self, tag: int) -> Sequence[Any]:
        """The values as pydicom converts them; none when it cannot."""
        if tag not in self._dataset:
            return ()
        try:
            value = self._dataset[tag].value
        except Exception:  # pydicom raises whatever the broken bytes lead it to
            return ()
        return value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else (value,)
