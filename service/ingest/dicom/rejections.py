"""Rejection notes: key object selections that forbid instances (IHE RAD TF-3 4.66, profile IOCM).

Two titles speak of the images they name: 113001 (quality) and 113039 (retention expired) take out exactly those. Two
cast doubt on the whole study: after 113037 (patient safety) and 113038 (wrong worklist entry, perhaps another
patient's) nothing of it is given out, whatever they name. In doubt, which is a title that is not known or a note that
does not say what it rejects, nothing is given out either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.ingest.dicom.values import Values

KEY_OBJECTS = "KO"
"""The modality of series that hold them."""

UNREADABLE = "unreadable-note"
"""In place of a title: what a key object selection says could not be learned."""
_UNKNOWN = "unknown-note"
_NOTE = "rejection-note"

_OF_IMAGES = frozenset({"113001", "113039"})
_OF_STUDY = frozenset({"113037", "113038"})
_HARMLESS = frozenset({
    *((f"1130{n:02}", "DCM") for n in (0, *range(2, 11), 13, 18, 20, 21, 22, *range(30, 37))),
    *((str(n), "DCM") for n in (*range(128180, 128224), 128710, 128711, 128713, 128714, *range(130370, 130374))),
    *((f"TCE00{n}", "IHERADTF") for n in (1, 2, 7)),
})  # fmt: skip
"""Titles that reject nothing: PS3.16 CID 7010 without the four of rejection, and those of IHE's teaching files."""
_DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Rejections:
    """What the notes of a study say. `study`: why nothing of it may be used (a title's code, `unreadable-note` or
    `unknown-note`), "" where it may. `images`: the instances to leave out, by SOPInstanceUID with the code of the
    title; where notes differ the first stands. `notes`: the SOPInstanceUIDs of the notes themselves."""

    study: str = ""
    images: Mapping[str, str] = field(default_factory=dict)
    notes: frozenset[str] = frozenset()

    def code_of(self, sop_uid: str) -> str:
        """Why the instance is left out; "" where it is not."""
        return self.study or self.images.get(sop_uid, "") or (_NOTE if sop_uid in self.notes else "")

    @property
    def left_out(self) -> frozenset[str]:
        """The instances that are neither listed nor counted nor given out: those rejected, and the notes."""
        return self.notes | self.images.keys()


NONE = Rejections()


def read_rejections(selections: Iterable[Values | None]) -> Rejections:
    """What these key object selections reject. None stands for one of which the data set could not be had."""
    study, notes = "", set[str]()
    images: dict[str, str] = {}
    for one in selections:
        code, scheme = _title(one) if one is not None else ("", "")
        if one is None or (code, scheme) in _HARMLESS:
            study = study or (UNREADABLE if one is None else "")
            continue
        notes.add(one.text(0x00080018))
        named = [*_evidence(one), *_content(one, _DEEPEST)]
        if code in _OF_IMAGES and named and all(named):
            images.update((uid, code) for uid in named if uid not in images)
        else:
            study = study or _doubt(code)
    return Rejections(study, images, frozenset(notes - {""}))


def _title(note: Values) -> tuple[str, str]:
    """Concept Name Code Sequence of the document (PS3.3 C.17.3): its code and coding scheme."""
    return next(((item.text(0x00080100), item.text(0x00080102)) for item in note.items(0x0040A043)), ("", ""))


def _doubt(code: str) -> str:
    if code in _OF_STUDY:
        return code
    return UNREADABLE if not code or code in _OF_IMAGES else _UNKNOWN


def _evidence(note: Values) -> Iterator[str]:
    """Current Requested Procedure Evidence Sequence (PS3.3 C.17.6.2); "" for what is named without an instance."""
    for study in note.items(0x0040A375):
        for series in study.items(0x00081115) or [study]:
            yield from list(_referenced(series)) or [""]


def _content(node: Values, depth: int) -> Iterator[str]:
    """Images that the content tree refers to (PS3.3 C.17.3); "" where it goes deeper than it is read."""
    for item in node.items(0x0040A730):
        yield from _referenced(item)
        yield from _content(item, depth - 1) if depth else [""]


def _referenced(node: Values) -> Iterator[str]:
    return (item.text(0x00081155) for item in node.items(0x00081199))
