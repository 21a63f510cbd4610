"""From documents to the newest version of each resource: what is new, updated, unchanged, ignored or rejected.

Versions are ordered by the source's own times, then by state, then by arrival (contract, section 3), so a late older
version never replaces a newer one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

import msgspec

from service.ingest.counts import LoadCounts
from service.ingest.fhir_r4.document import FhirDocument, Located
from service.ingest.fhir_r4.references import target_of
from service.ingest.fhir_r4.shapes import (
    VALUE_TYPES,
    Consent,
    DiagnosticReport,
    Meta,
    Observation,
    Patient,
    Resource,
    Value,
)
from service.ingest.fhir_r4.values import Context, status_of, version_of
from service.ingest.fhir_r4.versions import Draft, date_parts, is_later, is_newer, rank_of
from service.ingest.fhir_r4.view import DECODERS, Newest
from service.ingest.port import Accepted, Batch, Rejection, StoredResource
from service.ingest.strict_json import BadJson, refuse

_DELETED = hashlib.sha256(b"deleted").digest()


class _Stamped(msgspec.Struct):
    meta: Meta | None = None


_stamped = msgspec.json.Decoder(_Stamped).decode


@dataclass(slots=True)
class Intake:
    """What one batch brings: drafts in order of arrival, then `changed`, the versions that are now the newest.

    `again`: what is unchanged is looked at again as if it had changed, since the rules may have."""

    context: Context
    counts: LoadCounts
    again: bool = False
    drafts: list[Draft] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    changed: dict[str, Newest] = field(default_factory=dict)
    before: dict[str, StoredResource] = field(default_factory=dict)
    superseded: list[Newest] = field(default_factory=list)  # versions of this batch that are not the newest
    outcomes: dict[str, str] = field(default_factory=dict)
    keys: dict[int, str] = field(default_factory=dict)  # document -> the record that it holds alone
    accepted: dict[str, Accepted] = field(default_factory=dict)  # what could be used, by ref

    def take(self, document_id: int, document: FhirDocument) -> None:
        """Takes a document's resources; what cannot be used is rejected with its place, its neighbours stay."""
        for problem in document.problems:
            self.reject(document_id, problem.type, problem.place, problem.code, problem.reason, problem.ref)
        for ignored in document.ignored:
            self.counts.add(ignored.type, "ignored", ignored.reason)
        drafts = []
        for located in document.resources:
            try:
                drafts.append(self._draft(document_id, located))
            except BadJson as error:
                place, at = located.place + error.place, self._stamp(located)
                self.reject(document_id, located.type, place, error.code, error.reason, located.ref, at)
        date_parts(drafts)
        self.drafts += drafts

    def reject(
        self, document_id: int, kind: str, place: str, code: str, reason: str, ref: str = "", at: datetime | None = None
    ) -> None:
        """Counts and keeps a rejection; `ref` and `at`: of which record, in which version."""
        self.counts.add(kind, "rejected", code)
        self.rejections.append(Rejection(document_id, place[:300], code, reason, self.keys.get(document_id, ref), at))

    def _stamp(self, located: Located) -> datetime | None:
        """The time of a version that cannot be read as what it is."""
        try:
            meta = _stamped(located.raw or b"{}").meta
        except (msgspec.DecodeError, RecursionError):
            return None
        told = [self.context.when(one) for one in (meta.lastUpdated if meta else None, located.modified_at)]
        return max((one.start for one in told if one), default=None)

    def _draft(self, document_id: int, located: Located) -> Draft:
        raw = located.raw
        if raw is None:
            at = self.context.when(located.modified_at)
            stored = StoredResource(
                located.ref, _DELETED, at.start if at else None, rank_of(None), document_id, located.start, 0
            )
            return Draft(located, None, stored)
        try:
            resource = DECODERS[located.type].decode(raw)
        except (msgspec.DecodeError, RecursionError) as error:
            refuse(error)
        check_required(resource, located)
        version = version_of(resource, getattr(resource, "issued", None), self.context)
        told = self.context.when(located.modified_at)
        if version is None or (told is not None and told.start > version.start):
            version = told
        stored = StoredResource(
            located.ref,
            hashlib.sha256(raw).digest(),
            version.start if version else None,
            rank_of(resource),
            document_id,
            located.start,
            located.length,
        )
        return Draft(located, resource, stored)

    def settle(self, batch: Batch) -> None:
        """Compares all drafts with what is known and stores those that are newer."""
        known = batch.find_resources({one.stored.ref for one in self.drafts}) if self.drafts else {}
        current = dict(known)
        restamped: dict[str, StoredResource] = {}
        for draft in self.drafts:
            stored = draft.stored
            old = current.get(stored.ref)
            if old is not None and old.sha256 == stored.sha256:
                self.counts.add(draft.located.type, "unchanged")
                self._accept(draft)
                if is_later(stored, old):  # the same bytes with a newer report: what is older than that stays out
                    old = current[stored.ref] = replace(old, version_at=stored.version_at, rank=stored.rank)
                    restamped[stored.ref] = old
                if self.again and stored.ref not in self.changed:
                    self.outcomes[stored.ref] = "unchanged"
                    self.changed[stored.ref] = Newest(stored.ref, draft.resource, draft.located.links, old)
            elif old is not None and not is_newer(stored, old):
                self.counts.add(draft.located.type, "unchanged", "older-version")
                self.superseded.append(Newest(stored.ref, draft.resource, draft.located.links, stored))
            else:
                outcome = self.outcomes[stored.ref] = "new" if old is None else "updated"
                self.counts.add(draft.located.type, outcome)
                self._accept(draft)
                current[stored.ref] = stored
                if stored.ref in self.changed:
                    self.superseded.append(self.changed[stored.ref])
                self.changed[stored.ref] = Newest(stored.ref, draft.resource, draft.located.links, stored)
                if stored.ref in known:
                    self.before[stored.ref] = known[stored.ref]
        newest = restamped | {ref: current[ref] for ref in self.changed}
        if newest:
            batch.put_resources(newest.values())
        if self.rejections:
            batch.reject(self.rejections)

    def _accept(self, draft: Draft) -> None:
        if draft.resource is not None:  # that it is gone makes nothing good
            self.accepted[draft.stored.ref] = Accepted(draft.stored.document_id, draft.stored.version_at)

    def look_again(self, batch: Batch) -> None:
        """Takes up those drafts that are the newest versions as stored, byte by byte in their own document, as if
        they had just come. Nothing is stored: which version is the newest was settled when they came."""
        known = batch.find_resources({one.stored.ref for one in self.drafts}) if self.drafts else {}
        for draft in self.drafts:
            old = known.get(draft.stored.ref)
            if old is not None and _place(old) == _place(draft.stored):
                self.changed[old.ref] = Newest(old.ref, draft.resource, draft.located.links, old)

    def refuse_late(self, ref: str, code: str) -> None:
        """Counts a resource of this batch as rejected after all; one of an earlier batch was counted then."""
        kind = ref.partition("/")[0]
        self.accepted.pop(ref, None)
        if outcome := self.outcomes.pop(ref, None):
            self.counts.outcomes[kind, outcome] -= 1
            self.counts.add(kind, "rejected", code)

    def of_type(self, *kinds: str) -> Iterable[Newest]:
        """The changed resources of these types."""
        prefixes = tuple(f"{kind}/" for kind in kinds)
        return [one for ref, one in self.changed.items() if ref.startswith(prefixes)]


def _place(stored: StoredResource) -> tuple[int, int, int]:
    return stored.document_id, stored.start, stored.length


def check_required(resource: Resource, located: Located) -> None:
    """Raises BadJson where an element is absent without which nothing can be done with the resource."""
    if isinstance(resource, DiagnosticReport):
        _check_subject(resource.subject is not None, target_of(resource.subject, "Patient", located.links), resource)
    elif isinstance(resource, Observation):
        if status_of(resource.status, resource).exists:  # a withdrawal counts even when it says nothing else
            _check_observation(resource)
    elif isinstance(resource, Consent):
        given = resource.patient or resource.subject
        if target_of(given, "Patient", located.links) is None:
            raise BadJson("no-subject", "the patient is not said; expected Consent.patient as Patient/id", ".patient")
    elif isinstance(resource, Patient) and resource.birthDate is not None and len(resource.birthDate) > 40:
        raise BadJson("wrong-type", "expected a date of at most 10 characters", ".birthDate")


def _check_observation(given: Observation) -> None:
    if given.code is None and not given.component:
        raise BadJson("no-code", "an Observation without code says nothing; expected Observation.code", ".code")
    about = given.subject.reference if given.subject else None
    if any(one.reference != about for one in given.focus or ()):  # R4 Observation.focus: a fetus, a donor, a device
        raise BadJson("not-of-the-patient", "the result is about what focus names, not about the subject", ".focus")
    _check_one_value(given, "")
    for n, part in enumerate(given.component or ()):
        _check_one_value(part, f".component[{n}]")


def _check_one_value(given: Value, place: str) -> None:
    """FHIR R4 formats.html#choice: of the types of value[x] one may be present. Which of two is meant is unsure."""
    if len(found := [name for name in VALUE_TYPES if getattr(given, name) is not None]) > 1:
        raise BadJson(
            "two-values", f"{found[0]} and {found[1]} stand together; expected one value[x]", f"{place}.value"
        )


def _check_subject(present: bool, target: str | None, report: DiagnosticReport) -> None:
    if target is None:
        if status_of(report.status, report).exists:  # a withdrawal counts even when it says nothing else
            what = "names nobody" if present else "is absent"
            raise BadJson("no-subject", f"subject {what}; expected subject.reference as Patient/id", ".subject")
    elif not target.startswith(("Patient/", "#", "identifier|")):
        kind = target.partition("/")[0][:40]
        raise BadJson("subject-not-a-patient", f"subject is a {kind}; only a Patient's can be reused", ".subject")
