"""Rejection notes: key object selections that forbid instances (IHE RAD TF-3 4.68, IOCM)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from service.ingest.dicom.values import Values

KEY_OBJECTS = "KO"
"""The modality of series that hold them."""

REASONS = frozenset({"113001", "113037", "113038", "113039"})
"""Document titles of rejection notes (PS3.16 CID 7011): quality, patient safety, wrong worklist entry, expired."""


def read_rejections(documents: Iterable[Values]) -> dict[str, str]:
    """The instances that these data sets reject, by SOPInstanceUID with the code of the reason; where notes differ the
    first stands. Data sets that are no rejection notes say nothing."""
    found: dict[str, str] = {}
    for one in documents:
        code = next((item.text(0x00080100) for item in one.items(0x0040A043)), "")
        if code in REASONS:
            for uid in (*_evidence(one), *_content(one, 4)):
                found.setdefault(uid, code)
    return found


def _evidence(note: Values) -> Iterator[str]:
    """Current Requested Procedure Evidence Sequence (PS3.3 C.17.6.2)."""
    for study in note.items(0x0040A375):
        for series in study.items(0x00081115):
            yield from _referenced(series)


def _content(node: Values, depth: int) -> Iterator[str]:
    """Images that the content tree refers to (PS3.3 C.17.3)."""
    for item in node.items(0x0040A730):
        yield from _referenced(item)
        if depth:
            yield from _content(item, depth - 1)


def _referenced(node: Values) -> Iterator[str]:
    return (uid for item in node.items(0x00081199) if (uid := item.text(0x00081155)))
