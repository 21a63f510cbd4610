"""`testonce replay`: what a source gave in a span of time, read and indexed again."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from service.edge.parts import Parts
    from service.pulling.replay import Replayed
    from service.source_settings import SourceSettings

_REPORTS = ("new", "updated", "unchanged", "retired")


def replay(
    source: Annotated[str, typer.Option(help="The source's name in the settings.")],
    from_: Annotated[str, typer.Option("--from", metavar="D", help="First day (2026-11-01), or a time.")],
    to: Annotated[str, typer.Option("--to", metavar="D", help="Last day, inclusive, or a time.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")] = False,
) -> None:
    """Read what a source gave again, under the mapping profile, catalogue and network of now.

    Days and times are those at which it was received. Exit status 3 when anything was rejected.
    """
    from service.bootstrap import open_parts, open_puller
    from service.cli.load import REJECTED
    from service.cli.source import opened_or_refused
    from service.pulling.configured import choose
    from service.pulling.replay import replay as read_again
    from service.settings import load_settings

    settings = load_settings()
    (chosen,) = choose(settings.source, [source])
    parts = open_parts(settings)
    try:
        since, until = span_of(from_, to, parts.reference.current_policy().network.zone)
        with opened_or_refused():
            done = read_again(
                open_puller(parts), chosen, since, until, dry_run=dry_run,
                on_documents=lambda n: typer.echo(f"{n:,} documents", err=True),
            )  # fmt: skip
        if not dry_run:
            _record(parts, chosen, done, from_, to)
    finally:
        parts.close()
    _show(done, dry_run)
    if done.counts.total("rejected"):
        raise typer.Exit(REJECTED)


def span_of(from_text: str, to_text: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """[since, until) of two days, both inclusive, in `zone`, or of two times. InvalidInput names the wrong option."""
    from service.domain.errors import Fault, InvalidInput
    from service.domain.times import Precision, parse_when

    edges, faults = [], []
    for text, name in ((from_text, "--from"), (to_text, "--to")):
        try:
            when = parse_when(text.strip(), zone)
            edges.append(when.end if name == "--to" and when.precision is not Precision.MOMENT else when.start)
        except ValueError:
            faults.append(Fault(name, "a day (2026-11-22) or a time (RFC 3339) is expected"))
    if not faults and edges[0] > edges[1]:
        faults.append(Fault("--to", "must not lie before --from"))
    if faults:
        raise InvalidInput("the span cannot be read", faults)
    return edges[0], edges[1]


def _record(parts: Parts, source: SourceSettings, done: Replayed, from_text: str, to_text: str) -> None:
    from service.audit.events import Action
    from service.cli.local import record_audit

    detail: dict[str, int | str] = {"from": from_text, "to": to_text, "documents": done.documents}
    detail |= {what: done.counts.reports[what] for what in _REPORTS}
    detail["rejected"] = done.counts.total("rejected")
    record_audit(parts, Action.SOURCE_REPLAYED, f"Source/{source.name}", detail, source.institution)


def _show(done: Replayed, dry_run: bool) -> None:
    from service.cli.counted import counted

    counts = done.counts
    reports = ", ".join(f"{counts.reports[what]} {what}" for what in _REPORTS)
    how = "would be read again (nothing was changed)" if dry_run else "read again"
    typer.echo(f"{counted(done.documents, 'document')} {how}; reports: {reports}")
    if dry_run:
        typer.echo(f"{counted(done.results, 'result')} in the reports that are new or updated")
    for (kind, outcome, reason), n in sorted(counts.reasons.items()):
        if outcome == "rejected":
            typer.echo(f"  {n} {kind} rejected: {reason}")
    for note, n in sorted(counts.notes.items()):
        typer.echo(f"  {n} noted: {note}")
