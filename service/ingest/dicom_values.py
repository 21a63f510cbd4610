"""Values of raw DICOM elements: each read on its own, a bad one read as absent."""

from __future__ import annotations

import math
from struct import unpack

from service.ingest.charsets import decode_text, read_terms
from service.ingest.dicom_elements import Elements


class Values:
    """The elements of one data set, read by tag. `repairs` collects the character set repairs that were needed."""

    __slots__ = ("_elements", "_little", "_terms", "repairs")

    def __init__(
        self, elements: Elements, terms: tuple[str, ...], little: bool, repairs: set[str] | None = None
    ) -> None:
        own = elements.get(0x00080005)  # an item may declare its own character set (PS3.3 C.12.1.1.2)
        self._elements = elements
        self._terms = read_terms(own) if own and isinstance(own, bytes) else terms
        self._little = little
        self.repairs: set[str] = set() if repairs is None else repairs

    def text(self, tag: int) -> str:
        """The whole value as text, padding gone; "" when absent. Backslashes stay."""
        raw = self._elements.get(tag)
        if not raw or not isinstance(raw, bytes):
            return ""
        if raw.isascii() and b"\x1b" not in raw:
            return raw.decode("ascii").strip(" \0\t\r\n")
        decoded = decode_text(raw, self._terms)
        if decoded.repair is not None:
            self.repairs.add(decoded.repair)
        return decoded.text.strip(" \0\t\r\n")

    def texts(self, tag: int) -> list[str]:
        """The values of a multi-valued element (PS3.5 6.4), empty ones left out."""
        return [part for one in self.text(tag).split("\\") if (part := one.strip())]

    def items(self, tag: int) -> list[Values]:
        """The items of a sequence."""
        found = self._elements.get(tag)
        if not isinstance(found, list):
            return []
        return [Values(one, self._terms, self._little, self.repairs) for one in found]

    def double(self, tag: int) -> float | None:
        """The first number of an FD element, if it is a finite one."""
        raw = self._elements.get(tag)
        if not isinstance(raw, bytes) or len(raw) < 8:
            return None
        number: float = unpack("<d" if self._little else ">d", raw[:8])[0]
        return number if math.isfinite(number) else None
