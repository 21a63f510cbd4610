"""What an imaging exam shows, from everything its source says: `resolve_exam`.

Contract, section 3: contrast, side and technique come from a catalogue code, then from coded fields of the series,
then from words of procedure code, description and report. The region comes from the code, else from the series' body
site held against the words, else from the words. In doubt the answer says nothing, or `conflict`: both end as a
review, never as a reuse.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from service.domain.catalogue import CONTRAST_MODALITIES, MODALITY_ALIASES, TECHNIQUES_WITH_CONTRAST, Catalogue
from service.domain.report import ExamPart
from service.ingest.imaging.claims import Claim, is_technique_of, names_contradict, read_claims, sides_said
from service.ingest.imaging.facts import ExamFacts, PartFacts, is_image_modality
from service.ingest.imaging.regions import agreed, are_related, find_regions, may_mean
from service.ingest.imaging.sides import merge_sides
from service.ingest.imaging.words import HOME, merge_contrasts, read_side, read_words

_SIDES = {
    "L": "L", "LEFT": "L", "左": "L", "左侧": "L", "7771000": "L", "G-A101": "L", "R": "R", "RIGHT": "R", "右": "R",
    "右侧": "R", "24028007": "R", "G-A100": "R", "B": "B", "BOTH": "B", "BILATERAL": "B", "双侧": "B", "51440002": "B",
    "G-A102": "B",
}  # fmt: skip
"""DICOM Laterality (PS3.3 C.7.3.1) and the codes of CID 244; `U` (unpaired or unknown) says nothing."""


@dataclass(frozen=True, slots=True)
class ResolvedExam:
    """What the exam shows, sorted; `region_basis` is `code`, `body-site`, `words` or `conflict`."""

    parts: tuple[ExamPart, ...]
    region_basis: str


def resolve_exam(facts: ExamFacts, catalogue: Catalogue) -> ResolvedExam:
    """Resolves an exam. Equal facts in any order of series give the same answer; no error is raised."""
    claims, conflict = read_claims(facts, catalogue)
    series = _shown(facts.parts)
    if not series:
        parts = [_finished(claim.part, catalogue) for claim in claims]
        return _answer(parts, {"code" if one.coded else "words" for one in claims}, conflict)
    modalities = {_modality(one.modality) for one in series} - {""}
    ours = [one for one in claims if not modalities or one.part.modality in ("", *modalities)]
    ours = [one if one.coded else replace(one, part=_as_field(one.part, modalities)) for one in ours]
    bases: set[str] = set()
    if claims and not ours:
        conflict = True  # the name speaks of another modality than the images
    found: list[ExamPart] = []
    for one in series:
        parts, basis = _resolve_series(one, ours, facts, catalogue)
        found += parts
        bases.add(basis)
    named = {claim.part.region for claim in ours if claim.part.region}
    shown = {part.region for part in found if part.region}
    if named and shown and not any(are_related(one, other, catalogue) for one in named for other in shown):
        conflict = True  # no series shows anything that the name speaks of
    only = modalities.pop() if len(modalities) == 1 else ""
    missing = [claim for claim in ours if claim.part.region and not _is_shown(claim.part, found, catalogue)]
    for claim in missing:
        found += _finished_each(claim, replace(claim.part, modality=claim.part.modality or only), found, catalogue)
        bases.add("code" if claim.coded else "words")
    if conflict or "conflict" in bases:
        bases = {"conflict"}
    return _answer(found, bases, conflict)


def _answer(parts: Iterable[ExamPart], bases: set[str], conflict: bool) -> ResolvedExam:
    kept = {one for one in parts if one.modality}
    placed = {one for one in kept if one.region} or kept
    basis = next((one for one in ("conflict", "words", "body-site", "code") if one in bases), "words")
    return ResolvedExam(sorted_parts(placed), "conflict" if conflict else basis)


def sorted_parts(parts: Iterable[ExamPart]) -> tuple[ExamPart, ...]:
    """The parts in an order that hangs on nothing but what they are."""
    return tuple(sorted(parts, key=lambda one: tuple(value or "" for value in _key(one))))


def _key(part: ExamPart) -> tuple[str | None, ...]:
    return part.modality, part.region, part.laterality, part.contrast, part.technique


def _modality(text: str) -> str:
    modality = text.strip().upper()
    return MODALITY_ALIASES.get(modality, modality)


def _shown(parts: Iterable[PartFacts]) -> list[PartFacts]:
    """The series that show the patient: no reports, no scouts beside other series, no CT that only corrects a PET."""
    images = [one for one in parts if one.is_image and is_image_modality(one.modality)]
    images = [one for one in images if not one.is_localizer] or images
    if {"PT", "NM"} & {_modality(one.modality) for one in images}:
        images = [one for one in images if _modality(one.modality) != "CT"]
    return images


def _resolve_series(
    series: PartFacts, claims: list[Claim], facts: ExamFacts, catalogue: Catalogue
) -> tuple[list[ExamPart], str]:
    modality = _modality(series.modality)
    fitting = [one for one in claims if not modality or one.part.modality in ("", modality)]
    own = [_as_field(part, {modality}) for text in series.descriptions for part in read_words(text, catalogue).claims]
    regions, basis = _regions(series, fitting, own, catalogue)
    techniques = {one.technique for one in own if is_technique_of(one.technique, modality, one.region)} - {None}
    found: list[ExamPart] = []
    for region in regions or (None,):
        about = [one for one in fitting if _is_about(one, region, catalogue)]
        exact = [one for one in about if one.part.region in (None, region)]
        about = exact if any(one.part.region for one in exact) else about  # 上腹部平扫+MRCP: no plain bile ducts
        ways = techniques or {one.part.technique for one in about} or {None}
        for technique in ways:
            same = [one for one in about if one.part.technique == technique] or about
            part = ExamPart(
                modality or next((one.part.modality for one in fitting if one.part.modality), ""),
                region,
                _side(series, region, own, facts, catalogue),
                _contrast(series, same, own),
                technique,
            )
            found.append(_finished(part, catalogue))
    return found, basis


def _as_field(part: ExamPart, modalities: set[str]) -> ExamPart:
    """Words for the lungs, in the terms of what is imaged: a CT or film of them (双肺HRCT) is one of the chest."""
    if part.region != "LUNG" or not modalities <= {"CT", "DX"}:
        return part
    return replace(part, region="CHEST")


def _is_about(claim: Claim, region: str | None, catalogue: Catalogue) -> bool:
    return region is None or claim.part.region is None or are_related(region, claim.part.region, catalogue)


def _regions(
    series: PartFacts, claims: list[Claim], own: list[ExamPart], catalogue: Catalogue
) -> tuple[tuple[str, ...], str]:
    """The regions of a series, and what they rest on."""
    site = find_regions(series.body_site, series.body_part, catalogue)
    said = tuple(dict.fromkeys(one.part.region for one in claims if one.part.region))
    named = tuple(dict.fromkeys(one.region for one in own if one.region))
    by_name = "code" if any(one.coded and one.part.region for one in claims) else "words"
    if not site:
        if not said or not named:
            return said or named, by_name if said else "words"
        near = _common(named, said, catalogue)
        return (near, by_name) if near else (said, "conflict")
    if not said and not named:
        return site, "body-site"
    by_series = _common(named, said, catalogue)
    if by_series and not _common(site, named, catalogue) and _common(site, said, catalogue):
        return by_series, by_name  # a study of several regions whose header repeats one of them
    for words in (said, named):
        basis = "code" if words is said and by_name == "code" else "body-site"
        if near := _common(site, words, catalogue):
            return near, basis
        if loose := tuple(one for one in words if may_mean(series.body_part, one)):
            return loose, basis
    return said or named, "conflict"


def _common(regions: tuple[str, ...], others: tuple[str, ...], catalogue: Catalogue) -> tuple[str, ...]:
    """What two namings vouch for together."""
    near = [one for region in regions for other in others for one in agreed(region, other, catalogue)]
    return tuple(dict.fromkeys(near))


def _side(
    series: PartFacts, region: str | None, own: list[ExamPart], facts: ExamFacts, catalogue: Catalogue
) -> str | None:
    """The side, for a paired region. A coded side that the exam's own name contradicts is not believed: that is how a
    wrong side would be reused."""
    if region is None or not catalogue.is_paired(region):
        return None
    coded = _SIDES.get(series.laterality.strip().upper())
    mine = merge_sides([*(one.laterality for one in own if one.region in (None, region))])
    mine = mine or merge_sides(read_side(text, catalogue) for text in series.descriptions)
    if coded is None and mine is None and names_contradict(facts, region, catalogue):
        return None
    told = sides_said(facts, region, catalogue)
    if {mine, told} == {"L", "R"}:
        return None  # the series against the exam's name
    named = mine or told
    if coded is None:
        return named or sides_said(facts, region, catalogue, report=True)
    if named not in ("L", "R") or named == coded:
        return coded
    return named if coded == "B" else None


def _contrast(series: PartFacts, claims: list[Claim], own: list[ExamPart]) -> str | None:
    """Code, then the agent (an absent one says nothing: it is often left out), then words."""
    by_code = merge_contrasts(one.part.contrast for one in claims if one.says_contrast)
    if by_code:
        return by_code
    worded = merge_contrasts(one.contrast for one in own)
    if series.contrast_agent and series.contrast_agent.strip():
        return None if worded == "without" else "with"  # protocols fill in the agent for their plain series too
    return worded or merge_contrasts(one.part.contrast for one in claims)


def _is_shown(claim: ExamPart, parts: list[ExamPart], catalogue: Catalogue) -> bool:
    """Whether the series show all that the claim names."""
    alike = [one for one in parts if one.region and one.technique == _technique(claim)]
    shown = {region for one in alike for region in catalogue.covered_regions(one.region or "")}
    return claim.region in shown or set(catalogue.parts_of(claim.region or "")) <= shown


def _finished_each(claim: Claim, part: ExamPart, shown: list[ExamPart], catalogue: Catalogue) -> list[ExamPart]:
    """What the exam's name says beyond its series (headers follow the protocol and leave regions out)."""
    known = {
        region
        for one in shown
        if one.technique == _technique(part)
        for region in catalogue.covered_regions(one.region or "")
    }
    left = [one for one in catalogue.parts_of(part.region or "") if one not in known]
    return [_finished(replace(part, region=one), catalogue) for one in left]


def _technique(part: ExamPart) -> str | None:
    return part.technique if is_technique_of(part.technique, part.modality, part.region) else None


def _finished(part: ExamPart, catalogue: Catalogue) -> ExamPart:
    """The part in the catalogue's terms: side only where it matters, contrast where the modality has it."""
    technique = _technique(part)
    contrast = part.contrast if part.modality in CONTRAST_MODALITIES else None
    if part.modality == "CT" and technique in TECHNIQUES_WITH_CONTRAST:
        contrast = "with"  # contract, section 3: A, CTPA and U imply contrast
    region = HOME.get(technique or "", part.region)
    if region == "EXTREMITY" and part.modality in CONTRAST_MODALITIES | {"DX"}:
        region = None  # some limb: which joint is not said
    side = part.laterality if region and catalogue.is_paired(region) else None
    return replace(part, region=region, technique=technique, contrast=contrast, laterality=side)
