"""FHIR R4 ImagingStudy, DICOM series and imaging DiagnosticReport, together one ImagingExam."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from service.domain.codes import Code
from service.domain.report import ImagingExam, ReportHead, Status
from service.domain.times import When
from service.ingest.fhir_r4.performer import find_institution
from service.ingest.fhir_r4.shapes import (
    CodeableConcept,
    DiagnosticReport,
    Endpoint,
    ImagingStudy,
    Series,
    concepts,
    references,
)
from service.ingest.fhir_r4.studies import Study, accessions
from service.ingest.fhir_r4.values import Context, Told, effective, same_system, told
from service.ingest.fhir_r4.view import Newest, View
from service.ingest.imaging.facts import ExamFacts, part_facts_of
from service.ingest.imaging.several import resolve_studies
from service.ingest.port import SeriesFacts

_SIDES = {
    "l": "L", "left": "L", "左": "L", "7771000": "L", "419161000": "L", "g-a101": "L",
    "r": "R", "right": "R", "右": "R", "24028007": "R", "419465000": "R", "g-a100": "R",
    "b": "B", "bilateral": "B", "双侧": "B", "51440002": "B", "g-a102": "B",
}  # fmt: skip
"""SNOMED CT and SRT codes of DICOM CID 244 and ImageLaterality's own letters."""

_MODALITY_OF_CATEGORY = {
    "CT": "CT",
    "NMR": "MR",
    "RUS": "US",
    "CUS": "US",
    "VUS": "US",
    "OUS": "US",
    "NMS": "NM",
    "EC": "ECG",
}
"""v2-0074 sections that name a modality; they serve where no study does."""

_WEB = re.compile(r"https?://\w", re.IGNORECASE)
_NO_IMAGES = frozenset(
    {"hl7-fhir-rest", "hl7-fhir-msg", "hl7v2-mllp", "secure-email", "direct-project", "ihe-xcpd", "dicom-stow-rs"}
)
"""Endpoint connection types (FHIR R4 valueset-endpoint-connection-type) that no image is fetched by."""

_UNFINISHED = frozenset({"registered", "unknown"})


def read_exam(
    view: View, at: Newest, report: DiagnosticReport, head: ReportHead, studies: Sequence[Study],
    conflict: bool, context: Context,
) -> ImagingExam:  # fmt: skip
    """The exam that a report describes, with the studies that belong to it."""
    words = [report.conclusion or "", *(note.text or "" for note in report.note or ())]
    # a laboratory and an imaging system of one hospital may both count 1, 2, 3: their numbers must not meet
    head = replace(head, number=f"exam/{head.number[:190]}", status=_worst(head.status, studies))
    if made_by := _performer(view, studies, context):
        interpreter = head.interpreter or (head.performer if head.performer != made_by else None)
        head = replace(head, performer=made_by, interpreter=interpreter)
    modalities = [] if studies else _modalities_of_category(report)
    return _exam(view, head, [report.code], words, studies, effective(report, context), conflict, context, modalities)


def read_study_exam(view: View, study: Study, conflict: bool, context: Context) -> ImagingExam:
    """A study that no report is known of. Its head is final where the study is there: that no report came is said by
    `has_report`."""
    statuses = [one.status for _, one in study.described]
    refs = [at.ref for at, _ in study.described]
    versions = [context.when(one.meta.lastUpdated) for _, one in study.described if one.meta]
    known = [one for one in versions if one]
    head = ReportHead(
        institution=context.institution,
        number=study.key,
        ref=min(refs, default=study.key),
        status=_worst(Status.FINAL, [study]) if statuses else Status.FINAL,
        performer=_performer(view, [study], context) or context.institution,
        version_at=max(known, key=lambda one: one.start) if known else None,
    )
    exam = _exam(view, head, [], [], [study], None, conflict, context, [])
    return replace(exam, has_report=False)


def _exam(
    view: View, head: ReportHead, codes: Iterable[CodeableConcept | None], report_words: list[str],
    studies: Sequence[Study], reported: Told | None, conflict: bool, context: Context, modalities: list[str],
) -> ImagingExam:  # fmt: skip
    described = [pair for study in studies for pair in study.described]
    series = [one for study in studies for one in study.series]
    given = [one for one in codes if one]
    whole = _facts(given, report_words, described, series, modalities)
    each = [_facts([], [], one.described, one.series, []) for one in studies] if len(studies) > 1 else []
    resolved = resolve_studies(whole, each, _facts(given, [], [], [], []), context.catalogue)
    descriptions = [study.description for _, study in described]
    headers = [str(one.facts.get("StudyDescription") or "") for one in series]
    named = _words([*descriptions, *headers, *_spoken([*given, *_procedures_of(described)])])
    numbers = [str(one.facts.get("AccessionNumber") or "") for one in series] + [
        (one.value or "").strip() for _, study in described for one in accessions(study)
    ]
    return ImagingExam(
        head=head,
        performed=_performed(reported, described, series, context),
        parts=resolved.parts,
        study_uid=next((study.key.removeprefix("study/") for study in studies), None),
        accession=next((one for one in numbers if one), None),
        description=named[:500],
        images=_images(view, studies),
        series_count=sum(_series_count(study) for study in studies),
        instance_count=sum(_instance_count(study) for study in studies),
        region_basis=resolved.region_basis,
        subject_conflict=conflict,
    )


def _facts(
    codes: list[CodeableConcept], report_words: list[str], described: Sequence[tuple[Newest, ImagingStudy]],
    series: Sequence[SeriesFacts], modalities: list[str],
) -> ExamFacts:  # fmt: skip
    """What codes, words and series say of an exam, or of one of its studies."""
    procedures = [*codes, *_procedures_of(described)]
    facts = [*_parts(described, series), *({"Modality": one} for one in modalities)]
    return ExamFacts(
        codes=tuple(_codes(procedures)),
        procedure_words=_words(_spoken(procedures)),
        description_words=_words(study.description for _, study in described),
        report_words=_words(report_words),
        parts=tuple(part_facts_of(one) for one in facts),
    )


def _performer(view: View, studies: Sequence[Study], context: Context) -> str | None:
    """The institution that made the images, where the series say it; the report's performer may be who read them.
    Several are written as several: no certificate covers such an exam."""
    found = {
        name
        for study in studies
        for at, one in study.described
        for series in one.series or ()
        for made_by in series.performer or ()
        if made_by.actor and (name := find_institution(view, at, [made_by.actor], context.network))
    }
    return "+".join(sorted(found)) or None


def _worst(status: Status, studies: Sequence[Study]) -> Status:
    """The report's status, but not final while a study is only registered, of unknown state, or carries modifiers."""
    found = [(_status(one), one) for study in studies for _, one in study.described]
    if not status.is_final:
        return status
    if any(one.modifierExtension or one.implicitRules for _, one in found):
        return Status.UNKNOWN
    if any(text not in (*_UNFINISHED, "available") for text, _ in found):
        return Status.UNKNOWN
    unfinished = [text for text, _ in found if text in _UNFINISHED]
    return status if not unfinished else Status.REGISTERED if "registered" in unfinished else Status.UNKNOWN


def _status(study: ImagingStudy) -> str | None:
    """Its status; STU3, which has `uid`, had none: there a study that is known is available."""
    return "available" if study.status is None and study.uid else study.status


def _performed(
    reported: Told | None,
    described: Sequence[tuple[Newest, ImagingStudy]],
    series: Sequence[SeriesFacts],
    context: Context,
) -> When | None:
    """DiagnosticReport.effective, ImagingStudy.started, series.started, DICOM (contract, section 3); the earliest of
    several equals. One that is told unreadably is not replaced by a later kind. A report that dates itself after its
    study does not make the exam younger: then the study's time counts."""
    inner = [one.started for _, study in described for one in study.series or ()]
    headers = [str(one.facts["started"]) for one in series if one.facts.get("started")]
    shown = _shown_at(described, inner, headers, context)
    if reported is not None:
        return shown if reported.at and shown and shown.start < reported.at.start else reported.at
    return shown


def _shown_at(
    described: Sequence[tuple[Newest, ImagingStudy]], inner: Sequence[str | None], headers: list[str], context: Context
) -> When | None:
    for texts in ([study.started for _, study in described], inner, headers):
        given = [told(context, text) for text in texts if text]
        if given:
            known = [one.at for one in given if one and one.at]
            return min(known, key=lambda one: one.start) if len(known) == len(given) else None
    return None


def _parts(
    described: Sequence[tuple[Newest, ImagingStudy]], series: Sequence[SeriesFacts]
) -> list[Mapping[str, object]]:
    """One set of DICOM-named facts per series. What FHIR and the DICOM header say of one series is put together, the
    header first; where they contradict each other on the side, neither is believed."""
    from_fhir = {f"{at.ref} {n} {one.uid or ''}": _series_facts(one, study)
                 for at, study in described for n, one in enumerate(study.series or ())}  # fmt: skip
    by_uid = {key.rpartition(" ")[2]: facts for key, facts in from_fhir.items()}
    found: list[Mapping[str, object]] = []
    for one in series:
        theirs = by_uid.get(one.series_uid, {})
        merged = {**theirs, **one.facts}
        sides = {str(facts["Laterality"]) for facts in (theirs, one.facts) if facts.get("Laterality")}
        if len(sides) > 1:
            del merged["Laterality"]
        found.append(merged)
    held = {one.series_uid for one in series}
    found += [facts for key, facts in from_fhir.items() if key.rpartition(" ")[2] not in held]
    if not found:
        found = [{"Modality": code} for _, study in described for code in _study_modalities(study)]
    return found


def _series_facts(one: Series, study: ImagingStudy) -> dict[str, object]:
    facts: dict[str, object] = {}
    modality = [code for code in (one.modality.codings if one.modality else ()) if code.code]
    own = [code.code for code in modality] or _study_modalities(study)
    if len(set(own)) == 1 and own[0]:
        facts["Modality"] = own[0]
    if one.bodySite:
        if codes := [[same_system(code.system), code.code or "", code.display or ""] for code in one.bodySite.codings]:
            facts["AnatomicRegionSequence"] = codes
        if one.bodySite.words:
            facts["BodyPartExamined"] = one.bodySite.words
    if side := _side(one.laterality):
        facts["Laterality"] = side
    if one.description:
        facts["SeriesDescription"] = one.description
    return facts


def _side(concept: CodeableConcept | None) -> str | None:
    if concept is None:
        return None
    given = [*((one.code or "") for one in concept.codings), concept.words]
    return next((_SIDES[text] for one in given if (text := one.strip().casefold()) in _SIDES), None)


def _study_modalities(study: ImagingStudy) -> list[str]:
    given = [*concepts(study.modality), *concepts(study.modalityList)]
    return sorted({one.code for concept in given for one in concept.codings if one.code})


def _modalities_of_category(report: DiagnosticReport) -> list[str]:
    codes = {(one.code or "").upper() for concept in concepts(report.category) for one in concept.codings}
    return sorted({_MODALITY_OF_CATEGORY[code] for code in codes if code in _MODALITY_OF_CATEGORY})


def _procedures(study: ImagingStudy) -> list[CodeableConcept]:
    return [*concepts(study.procedureCode), *concepts(study.procedure)]


def _procedures_of(described: Sequence[tuple[Newest, ImagingStudy]]) -> list[CodeableConcept]:
    return [one for _, study in described for one in _procedures(study)]


def _codes(given: Iterable[CodeableConcept]) -> list[Code]:
    found = [Code(same_system(one.system), one.code or "", one.display or "") for c in given for one in c.codings]
    return list(dict.fromkeys(found))


def _spoken(given: Iterable[CodeableConcept]) -> list[str]:
    return [text for one in given for text in (one.text, *(code.display for code in one.codings)) if text]


def _words(given: Iterable[str | None]) -> str:
    return " ; ".join(dict.fromkeys(one.strip() for one in given if one and one.strip()))


def _images(view: View, studies: Sequence[Study]) -> tuple[str, ...]:
    """Addresses of active endpoints; none unless every study has one: half an exam's images are not its images. Where
    all that is known of a study are scouts and reports, its images are not there."""
    per_study = [_endpoints(view, study) if _has_images(study) else [] for study in studies]
    if not all(per_study):
        return ()
    return tuple(dict.fromkeys(address for one in per_study for address in one))


def _has_images(study: Study) -> bool:
    unlisted = [{"Modality": code} for _, one in study.described if not one.series for code in _study_modalities(one)]
    parts = [part_facts_of(one) for one in (*_parts(study.described, study.series), *unlisted)]
    return not parts or any(one.is_image and not one.is_localizer for one in parts)


def _endpoints(view: View, study: Study) -> list[str]:
    found = []
    for at, one in study.described:
        for reference in (*references(one.endpoint), *(e for s in one.series or () for e in references(s.endpoint))):
            followed = view.follow(at, reference, Endpoint)
            if followed and (address := _address(followed[1])):
                found.append(address)
    return found


def _address(endpoint: Endpoint) -> str | None:
    """Where an active endpoint gives out images to whoever opens a link; None: nowhere."""
    kinds = {code.code for one in concepts(endpoint.connectionType) for code in one.codings}
    address = (endpoint.address or "").strip()
    opens = _WEB.match(address) and endpoint.status in ("active", None) and not (kinds and kinds <= _NO_IMAGES)
    return address if opens else None


def _series_count(study: Study) -> int:
    told_of = [one.numberOfSeries or len(one.series or ()) for _, one in study.described]
    return max([*told_of, len({one.series_uid for one in study.series})], default=0)


def _instance_count(study: Study) -> int:
    told_of = [
        one.numberOfInstances or sum(s.numberOfInstances or len(s.instance or ()) for s in one.series or ())
        for _, one in study.described
    ]
    return max([*told_of, sum(one.instances for one in study.series)], default=0)
