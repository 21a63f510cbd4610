"""Which of two versions of a resource is the newer one (contract, section 3, fact "version").

The source's own times decide, then the state, then the arrival. What comes with a report and tells no time of its own
is as old as that report: otherwise a late older report would bring its old values back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from service.domain.report import Status
from service.ingest.fhir_r4.document import Located
from service.ingest.fhir_r4.references import target_of
from service.ingest.fhir_r4.shapes import (
    Consent,
    DiagnosticReport,
    ImagingStudy,
    Observation,
    Reference,
    Resource,
    Specimen,
    references,
)
from service.ingest.fhir_r4.values import status_of
from service.ingest.port import StoredResource

_STATES = 4
"""States that `Status.rank` tells apart."""

_MAX_DEPTH = 5


@dataclass(slots=True)
class Draft:
    """One version of one resource as it came, not yet compared with what is known."""

    located: Located
    resource: Resource | None
    stored: StoredResource


def is_newer(new: StoredResource, old: StoredResource) -> bool:
    """Whether `new` replaces `old`: by the source's own times, then by state, then by when these bytes first arrived.
    The same document again has its old number, so an earlier version that is sent once more does not come back."""
    if new.version_at is not None and old.version_at is not None and new.version_at != old.version_at:
        return new.version_at > old.version_at
    return (new.rank, new.document_id, new.start) > (old.rank, old.document_id, old.start)


def is_later(new: StoredResource, old: StoredResource) -> bool:
    """Whether `new` is later than `old` whatever arrived first."""
    if old.version_at != new.version_at:
        return new.version_at is not None and (old.version_at is None or new.version_at > old.version_at)
    return new.rank > old.rank


def rank_of(resource: Resource | None) -> int:
    """Which of two versions of equal time is later (None: deleted); resources without a state are all alike."""
    own = 0
    if isinstance(resource, (DiagnosticReport, Observation)):
        own = status_of(resource.status, resource).rank
    elif isinstance(resource, (ImagingStudy, Consent)):
        withdrawn = resource.status in ("cancelled", "entered-in-error", "inactive")
        own = Status.CANCELLED.rank if withdrawn else 0
    elif resource is None:
        own = Status.CANCELLED.rank
    return own * _STATES + own


def date_parts(drafts: Collection[Draft]) -> None:
    """Gives the parts of one document's reports their report's place in the order of versions.

    A result or specimen without a time of its own takes the report's; of two results of one time and state, that of
    the corrected report is later. What stands in the document more than once keeps its own place: which of its
    versions belongs to which of the report's is not said."""
    reports = [one for one in drafts if isinstance(one.resource, DiagnosticReport)]
    if not reports:
        return
    found: defaultdict[str, list[Draft]] = defaultdict(list)
    for draft in drafts:
        found[draft.stored.ref].append(draft)
    given: dict[str, StoredResource] = {}
    for report in reports:
        if len(found[report.stored.ref]) == 1:
            for ref in _parts_of(report, found):
                known = given.get(ref)
                if known is None or is_newer(report.stored, known):
                    given[ref] = report.stored
    for ref, report_version in given.items():
        (part,) = found[ref]
        part.stored = replace(
            part.stored,
            version_at=part.stored.version_at or report_version.version_at,
            rank=part.stored.rank // _STATES * _STATES + report_version.rank % _STATES
            if isinstance(part.resource, Observation)
            else part.stored.rank,
        )


def _parts_of(report: Draft, found: defaultdict[str, list[Draft]]) -> Iterable[str]:
    """The refs of the results and specimens that the document holds of a report, members of members included."""
    given = report.resource
    if not isinstance(given, DiagnosticReport):
        return ()
    seen: set[str] = set()

    def follow(owner: Draft, asked: Iterable[Reference], kind: str, depth: int) -> None:
        for reference in asked:
            ref = target_of(reference, kind, owner.located.links)
            if ref is None or ref in seen or ref not in found or len(found[ref]) != 1:
                continue
            part = found[ref][0]
            if isinstance(part.resource, Specimen):
                seen.add(ref)
            elif isinstance(part.resource, Observation):
                seen.add(ref)
                if part.resource.specimen:
                    follow(part, [part.resource.specimen], "Specimen", depth)
                if part.resource.hasMember and depth < _MAX_DEPTH:
                    follow(part, part.resource.hasMember, "Observation", depth + 1)

    follow(report, references(given.result), "Observation", 0)
    follow(report, references(given.specimen), "Specimen", 0)
    return seen
