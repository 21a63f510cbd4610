"""The resolver's answers to labelled headers, each put beside the truth: right, unsure, or silently wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from fixtures.imaging_headers import LabelledStudy, Shown
from service.domain.catalogue import Catalogue
from service.domain.report import ExamPart
from service.ingest.dicom.header import read_dicom
from service.ingest.imaging.facts import ExamFacts, part_facts_of
from service.ingest.imaging.resolve import resolve_exam

_SIDES = {"L": {"L"}, "R": {"R"}, "B": {"L", "R"}}
_CONTRASTS = {"without": {"plain"}, "with": {"contrast"}, "both": {"plain", "contrast"}}
_CONTRAST_UNASKED = frozenset({"A", "CTPA", "U", "MRCP", "DWI", "CAC", "SIMULATION"})
"""Techniques that imply contrast (contract, section 3) or have no enhanced twin."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`region`, `side`, `contrast`, `technique` are each `right`, `unsure` (says so, or says less), `wrong` (claims
    what the header does not say) or None (not asked by this row); `answer` is what the resolver said."""

    study: LabelledStudy
    region: str
    side: str | None
    contrast: str | None
    technique: str | None
    answer: str


def exam_parts(study: LabelledStudy, catalogue: Catalogue) -> tuple[tuple[ExamPart, ...], str]:
    """What the exam shows, read from its files as the service reads them, and what the region rests on."""
    facts = [read_dicom(one).facts for one in study.instances()]
    resolved = resolve_exam(ExamFacts(parts=tuple(part_facts_of(one) for one in facts)), catalogue)
    return resolved.parts, resolved.region_basis


def judge(study: LabelledStudy, catalogue: Catalogue) -> Verdict:
    """Resolves the exam and compares."""
    parts, basis = exam_parts(study, catalogue)
    sure = () if basis == "conflict" else parts
    region = _region(study.shown, sure, catalogue)
    answer = f"{basis} {[_text(one) for one in parts]}"
    side = _side(study.shown, sure, catalogue)
    if region != "right" or not study.shown:
        return Verdict(study, region, side, None, None, answer)
    return Verdict(
        study, region, side, _contrast(study, sure, catalogue), _technique(study.shown, sure, catalogue), answer
    )


def confusion(verdicts: Iterable[Verdict]) -> dict[str, Counter[str]]:
    """How often each fact was right, unsure and wrong."""
    found: dict[str, Counter[str]] = {key: Counter() for key in ("region", "side", "contrast", "technique")}
    for one in verdicts:
        for key, counts in found.items():
            if said := getattr(one, key):
                counts[said] += 1
    return found


def _text(part: ExamPart) -> str:
    side, contrast, technique = part.laterality, part.contrast, part.technique
    return f"{part.region}:{side or ''}/{contrast or ''}#{technique or ''}"


def _split(region: str, catalogue: Catalogue) -> set[str]:
    """The smallest regions of one; HEAD and BRAIN stand for each other (contract, section 4)."""
    return {"BRAIN" if one == "HEAD" else one for one in catalogue.parts_of(region)}


def _verdict(claimed: set[str], truth: set[str]) -> str:
    return "right" if claimed == truth else "unsure" if claimed < truth else "wrong"


def _region(shown: tuple[Shown, ...], parts: Iterable[ExamPart], catalogue: Catalogue) -> str:
    truth = {small for one in shown for small in _split(one.region, catalogue)}
    claimed = {small for one in parts if one.region for small in _split(one.region, catalogue)}
    return _verdict(claimed, truth)


def _side(shown: tuple[Shown, ...], parts: Iterable[ExamPart], catalogue: Catalogue) -> str | None:
    """Over every paired region that the header names or the resolver claims."""
    truth: set[str] = set()
    claimed: set[str] = set()
    paired = False
    for one in shown:
        if catalogue.is_paired(one.region):
            paired = True
            truth |= {f"{one.region}:{side}" for side in _SIDES.get(one.side, ())}
    for part in parts:
        if part.region and catalogue.is_paired(part.region):
            paired = True
            claimed |= {f"{part.region}:{side}" for side in _SIDES.get(part.laterality or "", ())}
    return _verdict(claimed, truth) if paired else None


def _contrast(study: LabelledStudy, parts: Iterable[ExamPart], catalogue: Catalogue) -> str | None:
    if study.row["modality"] not in ("CT", "MR"):
        return None
    asked = [one for one in study.shown if one.technique not in _CONTRAST_UNASKED]
    truth = {
        f"{small}:{phase}"
        for one in asked
        for small in _split(one.region, catalogue)
        for phase in (("plain", "contrast") if one.contrast == "both" else (one.contrast,) if one.contrast else ())
    }
    claimed = {
        f"{small}:{phase}"
        for part in parts
        if part.region and part.technique not in _CONTRAST_UNASKED
        for small in _split(part.region, catalogue)
        for phase in _CONTRASTS.get(part.contrast or "", ())
    }
    return _verdict(claimed, truth) if asked else None


def _technique(shown: tuple[Shown, ...], parts: Iterable[ExamPart], catalogue: Catalogue) -> str:
    """The techniques of each region; one passed over (plain claimed instead) is as wrong as one made up: it would
    answer a plain order."""
    truth = {f"{small}#{one.technique}" for one in shown for small in _split(one.region, catalogue)}
    claimed = {
        f"{small}#{part.technique or ''}" for part in parts if part.region for small in _split(part.region, catalogue)
    }
    return _verdict(claimed, truth)
