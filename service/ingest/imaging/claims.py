"""What the codes and words of a whole exam claim it shows, before any series is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from service.domain.catalogue import MODALITY_ALIASES, TECHNIQUES_WITH_CONTRAST, Catalogue
from service.domain.codes import Code
from service.domain.report import ExamPart
from service.ingest.imaging.facts import ExamFacts
from service.ingest.imaging.regions import are_related
from service.ingest.imaging.report_words import read_report, told_clauses
from service.ingest.imaging.sides import merge_sides
from service.ingest.imaging.words import merge_contrasts, read_words

_MODALITIES_OF = {
    "A": ("CT", "MR"), "V": ("CT", "MR"), "CTPA": ("CT",), "CAC": ("CT",), "U": ("CT", "MR", "DX"), "LD": ("CT",),
    "DWI": ("MR",), "MRCP": ("MR",), "SWI": ("MR",), "MRS": ("MR",), "DTI": ("MR",), "PIT": ("MR", "CT"),
    "BONE": ("CT", "MR"), "PERFUSION": ("CT", "MR"), "VEIN": ("US",), "ARTERY": ("US",), "LYMPH": ("US",),
    "OB": ("US",), "TEE": ("US",), "CEUS": ("US",), "ELASTO": ("US", "MR"), "STRESS": ("US", "MR", "ECG"),
    "2V": ("DX",), "UPRIGHT": ("DX",), "KUB": ("DX", "CT"), "BONEAGE": ("DX",), "HOLTER": ("ECG",),
}  # fmt: skip
"""Where a technique word makes another exam. Elsewhere it only describes (静脉 in a CT report, DVT in a chest film)."""

_ONLY_OF = {"2V": ("CHEST",), "UPRIGHT": (None, "ABDOMEN", "LOWERABDOMEN", "ABDOMENPELVIS")}
"""Every joint is filmed in two views and every chest standing; only here does the word make another exam."""

_TOLD_BY_REPORT = frozenset({"LD", "A", "CTPA", "U", "CAC", "V", "INTERVENTION", "SIMULATION"})
"""Techniques that a report's text can add: the others (DWI, lymph nodes, veins) are what any report talks about."""


def is_technique_of(technique: str | None, modality: str, region: str | None) -> bool:
    """Whether this technique word makes another exam for the modality and region."""
    if technique is None or region not in _ONLY_OF.get(technique, (region,)):
        return False
    return not modality or modality in _MODALITIES_OF.get(technique, (modality,))


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing the exam is said to show; `coded` by a catalogue code, which may also say the contrast."""

    part: ExamPart
    coded: bool = False
    says_contrast: bool = False


def read_claims(facts: ExamFacts, catalogue: Catalogue) -> tuple[list[Claim], bool]:
    """The claims of codes, else of procedure, description or report words, each completed by the later ones; and
    whether two of them name regions that have nothing in common."""
    claims = _coded([*facts.codes, *(code for one in facts.parts for code in one.procedure_codes)], catalogue)
    conflict = False
    for text in _names(facts):
        said = [Claim(_normal(one)) for one in read_words(text, catalogue).claims]
        if not any(one.part.region for one in claims):
            claims = _completed(said, claims, catalogue) if any(one.part.region for one in said) else claims + said
            continue
        conflict = conflict or _contradict(claims, said, catalogue)
        claims = _completed(claims, said, catalogue)
    claims = _with_report(claims, facts.report_words, catalogue)
    claims = [_without_doubtful_side(one, facts, catalogue) for one in claims]
    return list(dict.fromkeys(claims)), conflict


def sides_said(facts: ExamFacts, region: str, catalogue: Catalogue, report: bool = False) -> str | None:
    """The side that the exam's name says of this region; with `report`, that the report says and never contradicts."""
    told = "\n".join(clause for clause, _ in told_clauses(facts.report_words)) if report else ""
    texts = [told] if report else _names(facts)
    for text in texts:
        sides = {
            one.laterality for one in read_words(text, catalogue).claims if one.laterality and one.region == region
        }
        if report and len(sides) > 1:
            return None  # findings on both sides do not make an exam of both
        if side := merge_sides(sides):
            return side
    return None


def names_contradict(facts: ExamFacts, region: str, catalogue: Catalogue) -> bool:
    """Whether one name of the exam says left and another right: whichever is believed may be the wrong one."""
    sides = {
        merge_sides(one.laterality for one in read_words(text, catalogue).claims if one.region == region)
        for text in _names(facts)
    }
    return {"L", "R"} <= sides


def _without_doubtful_side(claim: Claim, facts: ExamFacts, catalogue: Catalogue) -> Claim:
    part = claim.part
    if not part.laterality or not part.region or not names_contradict(facts, part.region, catalogue):
        return claim
    return replace(claim, part=replace(part, laterality=None))


def _names(facts: ExamFacts) -> list[str]:
    """The exam's names in the order of the contract: procedure words, then descriptions."""
    procedures = [facts.procedure_words, *(text for one in facts.parts for text in one.procedure_words)]
    descriptions = [facts.description_words, *(text for one in facts.parts for text in one.study_words)]
    split = [part.strip() for text in (*procedures, *descriptions) for part in text.split(" ; ")]
    return list(dict.fromkeys(part for part in split if part))


def _normal(part: ExamPart) -> ExamPart:
    return replace(part, modality=MODALITY_ALIASES.get(part.modality, part.modality))


def _coded(codes: Iterable[Code], catalogue: Catalogue) -> list[Claim]:
    found: dict[ExamPart, set[str | None]] = {}
    for code in dict.fromkeys(codes):
        item = catalogue.find_item(code.system, code.code)
        if item is None or item.kind != "imaging":
            continue
        contrast = {"with": "with", "none": "without"}.get(item.contrast or "")
        if item.technique in TECHNIQUES_WITH_CONTRAST or not catalogue.says_contrast(code.system, code.code):
            contrast = None
        part = ExamPart(item.modality, item.region, None, None, item.technique)
        found.setdefault(part, set()).add(contrast)
    claims = []
    for part, contrasts in found.items():
        said = contrasts - {None}
        # Codes that say plain and enhanced at once leave it open.
        contrast = said.pop() if len(said) == 1 else None
        claims.append(Claim(replace(part, contrast=contrast), True, contrast is not None))
    return claims


def _contradict(claims: list[Claim], said: list[Claim], catalogue: Catalogue) -> bool:
    regions = {one.part.region for one in said if one.part.region}
    known = {one.part.region for one in claims if one.part.region}
    return bool(regions) and not any(are_related(one, other, catalogue) for one in known for other in regions)


def _completed(claims: list[Claim], others: list[Claim], catalogue: Catalogue) -> list[Claim]:
    """The claims, with what they leave open taken from other claims about the same region."""
    done: list[Claim] = []
    for claim in claims:
        part = claim.part
        about = [
            one.part
            for one in others
            if one.part.modality in ("", part.modality) or not part.modality
            if not part.region or not one.part.region or are_related(part.region, one.part.region, catalogue)
        ]
        same = [one for one in about if one.technique == part.technique] or about
        part = replace(
            part,
            modality=part.modality or next((one.modality for one in about if one.modality), ""),
            laterality=part.laterality or merge_sides(one.laterality for one in about if one.region == part.region),
            contrast=part.contrast or (None if claim.says_contrast else merge_contrasts(one.contrast for one in same)),
        )
        techniques = {
            one.technique for one in about if is_technique_of(one.technique, part.modality or one.modality, part.region)
        }
        plain = part.technique or not techniques or any(one.technique is None and one.region for one in about)
        if plain:
            done.append(replace(claim, part=part))
        if part.technique is None:
            done += [replace(claim, part=replace(part, technique=one)) for one in sorted(filter(None, techniques))]
    return done


def _with_report(claims: list[Claim], report: str, catalogue: Catalogue) -> list[Claim]:
    """The report's text completes; where nothing else names a region, its first statement of one does."""
    if not any(one.region for one in (claim.part for claim in claims)):
        title = report.strip().splitlines()[0] if report.strip() else ""
        heads = [Claim(_normal(one)) for one in read_words(title[:80], catalogue).claims if one.modality and one.region]
        claims = _completed(heads, claims, catalogue) if heads else claims
    regions = {claim.part.region for claim in claims if claim.part.region}
    told = [
        replace(_normal(one), technique=one.technique if one.technique in _TOLD_BY_REPORT else None, region=None)
        for one in read_report(report, catalogue)
        if one.region is None or not regions or any(are_related(one.region, known, catalogue) for known in regions)
    ]
    kept = [Claim(one) for one in dict.fromkeys(told) if one.technique or one.contrast]
    return _completed(claims, kept, catalogue) if kept else claims
