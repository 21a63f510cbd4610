"""Stored reports, indexed again under the catalogue in force: for `testonce catalogue load` and `reread`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from service.edge.parts import Parts
    from service.ingest.counts import LoadCounts

_REPORTS = ("new", "updated", "unchanged", "retired")


def reread_stored(parts: Parts, institution: str | None = None) -> None:
    """Indexes the stored reports of one institution, or of all of the network, again; says and audits how many changed.

    InvalidInput when the network has no such institution, Unavailable when there is no network or catalogue."""
    from service.cli.load import loader_of, progress
    from service.ingest.counts import LoadCounts

    parts.reference.forget()  # what was loaded a moment ago counts
    policy = parts.reference.current_policy()
    total, institutions = LoadCounts(), 0
    for one in [institution] if institution else [known.id for known in policy.network.institutions]:
        with progress(f"read again: {one}", "documents and studies") as on_progress:
            counts = loader_of(parts, one).read_again(on_progress)
        if counts.documents or counts.studies:
            institutions += 1
            _record(parts, one, counts, policy.catalogue.version)
            total.merge(counts)
    if not institutions:
        typer.echo("no stored reports to read again")
        return
    reports = ", ".join(f"{total.reports[what]} {what}" for what in _REPORTS)
    plural = "" if institutions == 1 else "s"
    typer.echo(
        f"read again: {total.documents} documents and {total.studies} DICOM studies of {institutions} "
        f"institution{plural}; reports: {reports}"
    )


def _record(parts: Parts, institution: str, counts: LoadCounts, catalogue: str) -> None:
    from service.audit.events import Action
    from service.cli.local import record_audit

    detail: dict[str, int | str] = {"catalogue": catalogue, "documents": counts.documents, "studies": counts.studies}
    detail |= {what: counts.reports[what] for what in _REPORTS}
    record_audit(parts, Action.REPORTS_REREAD, f"Institution/{institution}", detail, institution)
