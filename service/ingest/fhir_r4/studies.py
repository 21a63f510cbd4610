"""Which imaging studies belong to which report, and what FHIR says of a study.

A study is named `study/<StudyInstanceUID>`, so an ImagingStudy resource and the DICOM files of the same study are
one (FHIR R4 imagingstudy.html: identifier of system urn:dicom:uid). One without UID goes by its own id.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from service.ingest.fhir_r4.references import split_logical
from service.ingest.fhir_r4.shapes import DiagnosticReport, Identifier, ImagingStudy, Reference, concepts, references
from service.ingest.fhir_r4.values import Context, codes_of
from service.ingest.fhir_r4.view import Newest, View
from service.ingest.port import SeriesFacts

_UID = re.compile(r"[0-2](?:\.\d+)+")
_IMAGING_CATEGORIES = frozenset(
    {"RAD", "IMG", "IMAGING", "RUS", "CUS", "NMR", "NMS", "XRC", "OUS", "VUS"}
    | {"LP29684-5", "18748-4", "363679005", "394914008"}
)
"""v2-0074 sections, LOINC and SNOMED CT codes of radiology."""

_IMAGING_WITHOUT_RESULTS = frozenset({"CT", "EC", "EN"})
"""v2-0074 CAT scan, electrocardiac, electroneuro: sections that laboratories use as abbreviations too."""


def is_imaging(report: DiagnosticReport, context: Context) -> bool:
    """Whether a report is about images: it names a study, its category is radiology, or its code an imaging item."""
    if report.imagingStudy or report.study:
        return True
    categories = {(one.code or "").upper() for concept in concepts(report.category) for one in concept.codings}
    if not _IMAGING_CATEGORIES.isdisjoint(categories):
        return True
    if not report.result and not _IMAGING_WITHOUT_RESULTS.isdisjoint(categories):
        return True
    items = (context.catalogue.find_item(*code) for code in codes_of(report.code))
    return any(item is not None and item.kind == "imaging" for item in items)


def study_uid_of(text: str | None) -> str | None:
    """A StudyInstanceUID written as such, or as urn:oid: (DICOM PS3.5 9.1: at most 64 characters)."""
    plain = (text or "").strip().removeprefix("urn:oid:")
    return plain if len(plain) <= 64 and _UID.fullmatch(plain) else None


def uid_of(study: ImagingStudy) -> str | None:
    """The StudyInstanceUID of an ImagingStudy (STU3 has it in `uid`)."""
    given = [one for one in _identifiers(study) if one.use != "old"]
    marked = [one.value for one in given if one.system == "urn:dicom:uid"]
    plain = [one.value for one in given if (one.value or "").startswith("urn:oid:") and one.type_code != "ACSN"]
    return next((uid for text in (*marked, study.uid, *plain) if (uid := study_uid_of(text))), None)


def study_key(ref: str, study: ImagingStudy) -> str:
    """The name of the study that an ImagingStudy describes."""
    return f"study/{uid_of(study) or ref.partition('/')[2]}"


def study_links(view: View, at: Newest, study: ImagingStudy) -> set[str]:
    """The names by which reports and DICOM files find the study."""
    orders = _orders(view, at, references(study.basedOn))
    return {study_key(at.ref, study), *accession_keys(accessions(study)), *orders}


def accessions(study: ImagingStudy) -> list[Identifier]:
    """Its accession numbers: identifiers of type ACSN (v2-0203); STU3 has an element of its own."""
    own = [study.accession] if study.accession else []
    return own + [one for one in _identifiers(study) if one.type_code == "ACSN"]


def accession_keys(identifiers: Iterable[Identifier]) -> set[str]:
    """The names of accession numbers."""
    return {f"accession/{one.value.strip()[:150]}" for one in identifiers if one.value and one.value.strip()}


def _identifiers(study: ImagingStudy) -> list[Identifier]:
    given = study.identifier
    return given if isinstance(given, list) else [given] if given else []


def _orders(view: View, at: Newest, given: Iterable[Reference]) -> set[str]:
    return {f"order/{key}"[:200] for one in given if (key := view.key(at, one, "ServiceRequest"))}


@dataclass(frozen=True, slots=True)
class Study:
    """All that is known of one study: the ImagingStudy resources that describe it and its DICOM series."""

    key: str
    described: tuple[tuple[Newest, ImagingStudy], ...]
    series: tuple[SeriesFacts, ...]

    def subjects(self, view: View) -> set[str]:
        """The patients that its parts name."""
        named = (view.key(at, one.subject or one.patient, "Patient") for at, one in self.described)
        return {key for key in named if key} | {f"mr|{_patient_id(one)}" for one in self.series if _patient_id(one)}


def _patient_id(series: SeriesFacts) -> str:
    return str(series.facts.get("PatientID") or "").strip()


MadeFrom = Callable[[str], set[str]]
SeriesOf = Callable[[str], list[SeriesFacts]]


@dataclass(slots=True)
class StudyFinder:
    """Finds studies by name, through what is known to be made from what."""

    made_from: MadeFrom
    series_of: SeriesOf

    def gather(self, view: View, key: str) -> Study:
        """The study of that name as far as it is known; withdrawn descriptions do not exist."""
        view.targets.add(key)
        described = [one for ref in sorted(self.made_from(key)) if (one := self._described(view, ref, key))]
        series = [one for one in self.series_of(key.removeprefix("study/")) if one.instances > 0]
        return Study(key, tuple(described), tuple(series))

    def _described(self, view: View, ref: str, key: str) -> tuple[Newest, ImagingStudy] | None:
        if not ref.startswith("ImagingStudy/"):
            return None
        view.targets.add(ref)
        at = view.find(ref)
        study = at.resource if at else None
        if at is None or not isinstance(study, ImagingStudy) or not study_exists(study):
            return None
        return (at, study) if study_key(ref, study) == key else None

    def of_report(
        self, view: View, at: Newest, report: DiagnosticReport, agrees: Callable[[Study], bool]
    ) -> list[Study]:
        """The studies a report is about: those it names, else the only one of its accession number, else the only one
        of its order, whose patient agrees."""
        named = [self._named(view, at, one) for one in (*references(report.imagingStudy), *references(report.study))]
        if any(named):
            return [
                one for key in dict.fromkeys(key for key in named if key) if is_there(one := self.gather(view, key))
            ]
        numbers = accession_keys(one for one in report.identifier or () if one.type_code == "ACSN")
        for links in (numbers, _orders(view, at, references(report.basedOn))):
            found = [one for one in self._linked(view, links) if agrees(one)]
            if len(found) == 1:
                return found
            if found:  # several studies of one number: which one the report means is not said
                return []
        return []

    def _named(self, view: View, at: Newest, reference: Reference) -> str | None:
        key = view.key(at, reference, "ImagingStudy")
        if key is None:
            return None
        if told := split_logical(key):
            if uid := study_uid_of(told.value):
                return f"study/{uid}"
            return self._by_identifier(view, told)
        followed = view.follow(at, reference, ImagingStudy)
        if followed is None:
            return None
        found, study = followed
        return study_key(found.ref, study) if study_exists(study) else None

    def _by_identifier(self, view: View, told: Identifier) -> str | None:
        keys = {one.key for one in self._linked(view, accession_keys([told]))}
        return next(iter(keys)) if len(keys) == 1 else None

    def _linked(self, view: View, links: set[str]) -> list[Study]:
        keys: set[str] = set()
        for link in links:
            view.targets.add(link)
            for ref in self.made_from(link):
                if ref.startswith("pixels/"):
                    keys.add("study/" + ref.removeprefix("pixels/"))
                elif ref.startswith("ImagingStudy/"):
                    view.targets.add(ref)
                    at = view.find(ref)
                    study = at.resource if at else None
                    if at and isinstance(study, ImagingStudy) and link in study_links(view, at, study):
                        keys.add(study_key(ref, study))
        return [one for key in sorted(keys) if is_there(one := self.gather(view, key))]


def study_exists(study: ImagingStudy) -> bool:
    """False for one that is cancelled or entered in error (contract, section 4)."""
    return study.status not in ("cancelled", "entered-in-error", "inactive")


def is_there(study: Study) -> bool:
    """Whether anything of the study is known."""
    return bool(study.described or study.series)
