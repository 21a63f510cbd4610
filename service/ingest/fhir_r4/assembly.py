"""From changed resources to reports: which are touched, made again from the newest parts, indexed.

The outcome depends only on the newest version of each resource, never on the order or the files they came in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

import msgspec

from service.ingest.fhir_r4.imaging import read_exam, read_study_exam
from service.ingest.fhir_r4.intake import Intake
from service.ingest.fhir_r4.people import People
from service.ingest.fhir_r4.performer import names_this_house
from service.ingest.fhir_r4.references import logical
from service.ingest.fhir_r4.report import Assembled, is_laboratory, read_lab_report, read_single, report_head
from service.ingest.fhir_r4.shapes import (
    DiagnosticReport,
    ImagingStudy,
    Observation,
    Organization,
    Resource,
    Specimen,
    references,
)
from service.ingest.fhir_r4.store import Shelf
from service.ingest.fhir_r4.studies import Study, StudyFinder, is_imaging, is_there, study_key, study_links
from service.ingest.fhir_r4.values import Context, status_of
from service.ingest.fhir_r4.view import NAMED, Newest, View
from service.ingest.port import Batch, IndexedReport, Rejection


@dataclass(slots=True)
class Assembly:
    """One batch's reports in the making. `parts` are the targets of every root assembled so far."""

    batch: Batch
    intake: Intake
    context: Context
    shelf: Shelf = field(init=False)
    people: People = field(init=False)
    studies: StudyFinder = field(init=False)
    parts: dict[str, set[str]] = field(default_factory=dict)
    made: dict[str, Assembled] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)  # Observations that stood alone, maybe, and are used now
    _by_target: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        self.shelf = Shelf(self.batch, self.intake.changed)
        self.people = People(self.batch, self.shelf, self.intake, self.context)
        self.studies = StudyFinder(self.made_from, self.shelf.series)

    def made_from(self, target: str) -> set[str]:
        """What is made from `target`: as stored, but for what was assembled again in this batch."""
        stored = self.shelf.made_from(target)
        return {root for root in stored if root not in self.parts} | self._by_target[target]

    def note_parts(self, root: str, targets: set[str]) -> None:
        """Replaces what `root` is made from."""
        for target in self.parts.get(root, ()):
            self._by_target[target].discard(root)
        self.parts[root] = targets
        for target in targets:
            self._by_target[target].add(root)

    def run(self, pixels: dict[str, set[str]]) -> None:
        """Assembles and indexes what the batch touches. `pixels`: the studies of new DICOM instances (`study/…`),
        each with the names by which it is found."""
        if not (self.intake.changed or self.intake.superseded or pixels):
            return
        self.people.store()
        studies = set(pixels)
        for key, links in pixels.items():
            self.note_parts(key.replace("study/", "pixels/", 1), {key, *links})
        for at in self.intake.of_type("ImagingStudy"):
            studies |= self._note_study(at)
        for at in self.intake.of_type(*NAMED):
            self._note_names(at)
        links = {link for key in studies for link in (key, *pixels.get(key, ()))}
        touched = self._touched({*self._telling(), *links, *self._new_links(), *self.people.borne()})
        self.people.store_again(touched)
        self._note_consents()
        used, left = self._superseded()
        everything = {*self.intake.changed, *touched, *used}
        self._rounds({root for root in everything if root.startswith("DiagnosticReport/")}, self._report)
        self._singles({root for root in everything if root.startswith("Observation/")})
        studies |= left | {one for one in everything if one.startswith("study/")}
        studies |= {one for targets in self.parts.values() for one in targets if one.startswith("study/")}
        self._rounds(studies, self._study)
        self._write()

    def run_again(self, pixels: Collection[str]) -> None:
        """Assembles and indexes what stands in the batch itself once more, and the studies `pixels` (`study/…`), each
        report once: whatever was indexed stands in some document, or has series."""
        roots = set(self.intake.changed)
        self._rounds({root for root in roots if root.startswith("DiagnosticReport/")}, self._report)
        self._singles({root for root in roots if root.startswith("Observation/")})
        found = self.intake.of_type("ImagingStudy")
        studies = {study_key(at.ref, at.resource) for at in found if isinstance(at.resource, ImagingStudy)}
        studies |= {one for targets in self.parts.values() for one in targets if one.startswith("study/")}
        self._rounds(studies.union(pixels), self._study)
        self.people.store_consents()
        self._note_consents()
        self._write()

    def _note_consents(self) -> None:
        for ref, targets in self.people.parts.items():
            self.note_parts(ref, targets)

    def _touched(self, changed: set[str]) -> set[str]:
        return {root for roots in self.batch.find_roots(changed).values() for root in roots}

    def _telling(self) -> set[str]:
        """The changed resources that say something else than before. An Organization that was only saved again must
        not have every report of the house made again, nor one that arrives after them and names the house itself, as
        they assumed."""
        found = set(self.intake.changed)
        for ref in self.intake.before:
            now, before = self.intake.changed[ref].resource, self._before(ref)
            if now and before and before.resource and _content(now) == _content(before.resource):
                found.discard(ref)
        for at in self.intake.of_type("Organization"):
            here = isinstance(at.resource, Organization) and names_this_house(at.resource, self.context)
            if here and at.ref not in self.intake.before:
                found.discard(at.ref)
        return found

    def _new_links(self) -> set[str]:
        return {t for root, targets in self.parts.items() if root.startswith(_NAMES) for t in targets}

    def _note_names(self, at: Newest) -> None:
        """Notes the identifiers by which a changed result or specimen may be referred to."""
        names = set(_names(at.resource))
        if names or at.ref in self.intake.before:
            self.note_parts(_NAMED + at.ref.replace("/", ":", 1), names)

    def _named(self, identifier: str, kind: str) -> list[str]:
        """The resources of a type that have the identifier."""
        roots = (one.removeprefix(_NAMED) for one in self.made_from(identifier) if one.startswith(_NAMED))
        return [one.replace(":", "/", 1) for one in roots if one.startswith(f"{kind}:")]

    def _view(self) -> View:
        return View(self.shelf.find, named=self._named, bearer=self.shelf.bearer)

    def _note_study(self, at: Newest) -> set[str]:
        """Notes by which names a changed ImagingStudy is found; gives the studies it describes, now and before."""
        view = View(self.shelf.find)
        keys = set()
        now = at.resource
        self.note_parts(at.ref, study_links(view, at, now) if isinstance(now, ImagingStudy) else set())
        before = self._before(at.ref)
        for one in (now, before.resource if before else None):
            if isinstance(one, ImagingStudy):
                keys.add(study_key(at.ref, one))
        return keys

    def _before(self, ref: str) -> Newest | None:
        stored = self.intake.before.get(ref)
        return self.shelf.read(stored) if stored else None

    def _superseded(self) -> tuple[set[str], set[str]]:
        """The Observations and studies that other versions of changed resources used.

        Such an Observation never stands alone again: a correction that leaves a result out means to leave it out. It
        is noted under `was/…`, also for late older versions, so that the order of arrival does not matter. A study
        may stand alone: it then asks for its report."""
        observations: set[str] = set()
        studies: set[str] = set()
        stored = [self.shelf.read(one) for one in self.intake.before.values()]
        for at in (*stored, *self.intake.superseded):
            view = self._view()
            used = result_keys(view, at)
            if used:
                sha = at.stored.sha256.hex()[:16] if at.stored else ""
                self.note_parts(f"was/{sha}:{at.ref.replace('/', ':', 1)}"[:_ROOT_LENGTH], used)
                observations |= used
            if isinstance(at.resource, DiagnosticReport) and is_imaging(at.resource, self.context):
                studies |= self._studies_before(view, at, at.resource)
        return observations, studies

    def _studies_before(self, view: View, before: Newest, old: DiagnosticReport) -> set[str]:
        found: set[str] = set()
        for _ in range(3):  # study, its links, its series: each step may need the one before fetched
            found = {one.key for one in self.studies.of_report(view, before, old, lambda _: True)}
            if not self.shelf.fetch():
                break
        return found

    def _rounds(self, roots: set[str], assemble: Callable[[str], None]) -> None:
        """Assembles `roots`, and again those that asked for something that is stored elsewhere."""
        while roots:
            for root in sorted(roots):
                assemble(root)
            found = self.shelf.fetch()
            roots = {root for root in roots if root in found or not found.isdisjoint(self.parts.get(root, ()))}

    # -- the three kinds of roots ---------------------------------------------------------------------------------

    def _report(self, root: str) -> None:
        view = self._view()
        at = self.shelf.find(root)
        report = at.resource if at else None
        self.made.pop(root, None)
        if at is not None and isinstance(report, DiagnosticReport):
            view.targets |= result_keys(view, at)  # even of a withdrawn report: its results do not stand alone
            subject = self.people.subject(view, at, report.subject)
            if subject is not None:
                make = self._imaging if is_imaging(report, self.context) else self._lab
                self.made[root] = make(view, at, report, subject)
        self.note_parts(root, view.targets)

    def _lab(self, view: View, at: Newest, report: DiagnosticReport, subject: str) -> Assembled:
        def same(theirs: str) -> bool:
            return self.people.agree(view, {subject, theirs})

        return read_lab_report(view, at, report, subject, self.context, same)

    def _imaging(self, view: View, at: Newest, report: DiagnosticReport, subject: str) -> Assembled:
        head = report_head(view, at, report, self.context)
        studies = []
        if status_of(report.status, report).exists:  # the images of a withdrawn report stand on their own

            def agrees(study: Study) -> bool:
                return self.people.agree(view, {subject, *study.subjects(view)})

            studies = self.studies.of_report(view, at, report, agrees)
        view.targets |= {_reported(study.key) for study in studies}
        named = {one for study in studies for one in study.subjects(view)}
        conflict = not self.people.agree(view, {subject, *named})
        return Assembled(subject, [read_exam(view, at, report, head, studies, conflict, self.context)])

    def _singles(self, roots: set[str]) -> None:
        """Laboratory Observations that nothing uses: panels first, since they use others."""
        used = {root for root in roots if any(map(_uses_results, self._by_target.get(root, ())))}
        self.dropped = {root for root in used if root not in self.intake.changed or root in self.intake.before}
        roots = roots - used
        for root in roots:
            self.shelf.find(root)
        self.shelf.fetch()
        self._rounds({root for root in roots if self._members(root)}, self._single)
        self._rounds({root for root in roots if root not in self.parts}, self._single)

    def _members(self, root: str) -> bool:
        at = self.shelf.find(root)
        return at is not None and isinstance(at.resource, Observation) and bool(at.resource.hasMember)

    def _single(self, root: str) -> None:
        view = self._view()
        at = self.shelf.find(root)
        observation = at.resource if at else None
        self.made.pop(root, None)
        if at is not None and isinstance(observation, Observation) and self._stands_alone(root, observation):
            subject = self.people.subject(view, at, observation.subject)
            if subject is None:
                self.context.notes["observation-without-patient"] += 1
            else:
                self.made[root] = read_single(view, at, observation, subject, self.context)
        self.note_parts(root, view.targets)

    def _stands_alone(self, root: str, observation: Observation) -> bool:
        used = any(one != root and _uses_results(one) for one in self.made_from(root))
        return not used and is_laboratory(observation, self.context)

    def _study(self, root: str) -> None:
        view = View(self.shelf.find, bearer=self.shelf.bearer)
        study = self.studies.gather(view, root)
        self.made.pop(root, None)
        view.targets.add(_reported(root))
        used = any(one.startswith("DiagnosticReport/") for one in self.made_from(_reported(root)))
        subjects = study.subjects(view)
        if is_there(study) and subjects and not used:
            subject = min(subjects)  # "Patient/…" comes before "mr|…"
            for at, one in study.described:
                self.people.subject(view, at, one.subject or one.patient)
            exam = read_study_exam(view, study, not self.people.agree(view, subjects), self.context)
            self.made[root] = Assembled(subject, [exam])
        self.note_parts(root, view.targets)

    # -- writing --------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        self.people.store_told()
        roots = [one for one in self.parts if one.startswith(("DiagnosticReport/", "Observation/", "study/"))]
        used = self._stored_before(
            {one for root in self.made for one in self.parts[root] if one.startswith("Observation/")}
        )
        retired = {one for one in (*roots, *used, *self.dropped) if one not in self.made}
        self.batch.put_parts(self.parts)
        reports = [one for root in self.made for one in self._indexed(root)]
        if reports or retired:
            counts = self.batch.index_reports(reports, retired)
            self.intake.counts.reports.update(
                new=counts.new, updated=counts.updated, unchanged=counts.unchanged, retired=counts.retired
            )
        self._refuse_strangers()

    def _stored_before(self, refs: Iterable[str]) -> set[str]:
        """Those of `refs` that an earlier batch may have indexed as reports of their own."""
        new = self.intake.changed.keys() - self.intake.before.keys()
        return {ref for ref in refs if ref not in new and self.shelf.find(ref) is not None}

    def _indexed(self, root: str) -> Iterable[IndexedReport]:
        assembled = self.made[root]
        for content in assembled.reports:
            at = self.shelf.find(content.head.ref)
            yield IndexedReport(root, assembled.patient_key, content, at.stored if at else None)

    def _refuse_strangers(self) -> None:
        refused = []
        for root, assembled in self.made.items():
            for stranger in assembled.strangers:
                stored = stranger.observation.stored
                if stored is not None:
                    place = f"{stranger.observation.ref}.subject in {root}"[:300]
                    reason = "the result names another patient than the report that uses it; it is not shown"
                    ref = stranger.observation.ref
                    refused.append(
                        Rejection(stored.document_id, place, "subject-differs", reason, ref, stored.version_at)
                    )
                    self.intake.refuse_late(ref, "subject-differs")
        if refused:
            self.batch.reject(refused)


def _content(resource: Resource) -> Resource:
    return msgspec.structs.replace(resource, meta=None)


_ROOT_LENGTH = 120
"""Roots are kept as they are, so that their kind can be told: `kind/name`, short and with no other slash."""
_NAMED = "named/"
_NAMES = ("ImagingStudy/", "pixels/", _NAMED)
"""Roots that are no reports: they say by which names something is found."""


def _names(given: Resource | None) -> Iterable[str]:
    """The identifiers of a result or specimen as references name them."""
    named = given.identifier or () if isinstance(given, (Observation, Specimen)) else ()
    return [logical(one.system, one.value) for one in named if one.value]


def _uses_results(root: str) -> bool:
    return root.startswith(("DiagnosticReport/", "Observation/", "was/"))


def _reported(study: str) -> str:
    """The name under which a report says that a study is its own, and not only one it might have been."""
    return f"reported/{study}"


def result_keys(view: View, at: Newest) -> set[str]:
    """The Observations that a report names as results, or a panel as members."""
    given = at.resource
    if isinstance(given, DiagnosticReport):
        named = references(given.result)
    else:
        named = (given.hasMember or []) if isinstance(given, Observation) else []
    keys = {view.key(at, one, "Observation") for one in named}
    return {key for key in keys if key and key.startswith("Observation/") and key != at.ref}
