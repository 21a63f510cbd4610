"""Several studies under one report: each is read by what it says of itself, so that the name of one (左膝) says nothing
of another (右肩)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from service.domain.catalogue import Catalogue
from service.domain.report import ExamPart
from service.ingest.imaging.facts import ExamFacts, PartFacts
from service.ingest.imaging.regions import are_related
from service.ingest.imaging.resolve import ResolvedExam, resolve_exam, sorted_parts

_BASES = ("words", "body-site", "code")


def resolve_studies(
    whole: ExamFacts, each: Sequence[ExamFacts], report: ExamFacts, catalogue: Catalogue
) -> ResolvedExam:
    """What the studies show. `whole` is all that is said, `each` what each study says of itself, `report` what the
    report's own code says. Where a study has no name of its own, is in doubt, or is contradicted by the report, all
    is read as one exam, as it is for a single study."""
    if len(each) < 2 or not all(map(_has_name, each)):
        return resolve_exam(whole, catalogue)
    apart = [resolve_exam(one, catalogue) for one in each]
    parts = {part for one in apart for part in one.parts}
    modalities = sorted({part.modality for one in each for part in one.parts})
    said = resolve_exam(replace(report, parts=tuple(map(PartFacts, modalities))), catalogue).parts
    sure = all(one.parts and one.region_basis != "conflict" for one in apart) and all(part.region for part in parts)
    if not sure or not all(_is_borne_out(one, parts, catalogue) for one in said):
        return resolve_exam(whole, catalogue)
    bases = {one.region_basis for one in apart}
    return ResolvedExam(sorted_parts(parts), next(basis for basis in _BASES if basis in bases))


def _has_name(study: ExamFacts) -> bool:
    own = (study.codes, study.procedure_words, study.description_words)
    return any(own) or any(one.procedure_codes or one.procedure_words or one.study_words for one in study.parts)


def _is_borne_out(said: ExamPart, shown: Iterable[ExamPart], catalogue: Catalogue) -> bool:
    """Whether some part shows what the report's code says, as far as both say anything."""
    return any(
        part.modality == (said.modality or part.modality)
        and (said.region is None or are_related(said.region, part.region or "", catalogue))
        and _agree(said.laterality, part.laterality, "B")
        and _agree(said.contrast, part.contrast, "both")
        for part in shown
    )


def _agree(said: str | None, shown: str | None, all_of_it: str) -> bool:
    return None in (said, shown) or said == shown or all_of_it in (said, shown)
