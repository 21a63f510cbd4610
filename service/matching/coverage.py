"""Does an exam show what is ordered: region, technique, side, contrast (contract, section 4, Candidates)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from service.domain.catalogue import Catalogue
from service.domain.report import ExamPart, ImagingExam
from service.matching.ordered import ImagingNeed

ANSWERED_BY = {None: (None, "2V")}
"""Which techniques of an exam answer an order: its own only; two views also answer the plain chest order."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How an exam that covers the region answers. `side` is shown | differs | unknown | irrelevant; `contrast` is
    shown | missing | differs | unknown | irrelevant."""

    side: str
    contrast: str
    region_basis: str = "code"


def find_coverage(need: ImagingNeed, exam: ImagingExam, catalogue: Catalogue) -> Coverage | None:
    """How the exam answers the need; None when it is no candidate (other modality, region or technique)."""
    techniques = _answering(need)
    parts = [part for part in exam.parts if part.modality == need.modality and part.technique in techniques]
    showing = _showing(need, parts, catalogue)
    if not showing:
        return None
    return Coverage(_side(need, showing), _contrast(need, showing), exam.region_basis)


def _answering(need: ImagingNeed) -> tuple[str | None, ...]:
    if need.technique is None and need.modality == "DX" and need.region == "CHEST":
        return ANSWERED_BY[None]
    return (need.technique,)


def _showing(need: ImagingNeed, parts: list[ExamPart], catalogue: Catalogue) -> list[list[ExamPart]]:
    """For the ordered region as a whole, or else for each of its parts, the exam's parts that show it; [] when any
    is not shown."""
    whole = [part for part in parts if part.region and need.region in _shown_by(part, catalogue)]
    if whole:
        return [whole]
    split = catalogue.parts_of(need.region)
    if len(split) == 1:
        return []
    each = [[part for part in parts if part.region and region in _shown_by(part, catalogue)] for region in split]
    return each if all(each) else []


def _shown_by(part: ExamPart, catalogue: Catalogue) -> frozenset[str]:
    region = part.region or ""
    inner: set[str] = set()
    for covered in catalogue.covered_regions(region):
        for contrast in ("none", "with", None):
            item = catalogue.imaging_items.get((part.modality, covered, part.technique, contrast))
            inner.update(item.covers if item else ())
    return catalogue.covered_regions(region) | inner


def _side(need: ImagingNeed, showing: list[list[ExamPart]]) -> str:
    if not need.needs_side:
        return "irrelevant"
    if need.laterality is None:
        return "unknown"
    answers = [_side_of(need, group) for group in showing]
    return next(one for one in ("differs", "unknown", "shown") if one in answers)


def _side_of(need: ImagingNeed, parts: list[ExamPart]) -> str:
    sides = {part.laterality for part in parts}
    if "B" in sides or sides.issuperset(_wanted_sides(need)):
        return "shown"
    # a part that says no side might be the wanted one: unknown, never equal and never surely different
    return "unknown" if None in sides else "differs"


def _wanted_sides(need: ImagingNeed) -> tuple[str, ...]:
    return ("L", "R") if need.laterality == "B" else (need.laterality or "",)


def _contrast(need: ImagingNeed, showing: list[list[ExamPart]]) -> str:
    if not need.needs_contrast:
        return "irrelevant"
    if need.contrast is None:
        return "unknown"
    answers = [_contrast_of(need, parts) for group in showing for parts in _by_side(need, group)]
    return next(one for one in ("missing", "unknown", "differs", "shown") if one in answers)


def _by_side(need: ImagingNeed, parts: list[ExamPart]) -> list[list[ExamPart]]:
    """The parts that may show each wanted side: the other side's series does not enhance this one. A part that says
    no side, beside one that surely shows the wanted one, might be the other: what only it shows stays unsure."""
    if not need.needs_side or need.laterality is None:
        return [parts]
    groups = []
    for side in _wanted_sides(need):
        sure = [part for part in parts if part.laterality in (side, "B")]
        unsaid = [replace(part, contrast=None) for part in parts if part.laterality is None] if sure else []
        groups.append((sure + unsaid) or [part for part in parts if part.laterality is None] or parts)
    return groups


def _contrast_of(need: ImagingNeed, parts: list[ExamPart]) -> str:
    phases = {part.contrast for part in parts}
    if "both" in phases or {"with": "with", "none": "without"}[need.contrast or "none"] in phases:
        return "shown"
    if None in phases:
        return "unknown"
    return "missing" if need.contrast == "with" else "differs"
