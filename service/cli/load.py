"""`testonce load`: files of one institution into the registry."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from service.edge.parts import Parts
    from service.ingest.counts import LoadCounts
    from service.ingest.pipeline import Loader, Progress

REJECTED = 3
"""Exit status when anything was rejected (contract, section 1)."""


def load(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, or folders of them.")],
    institution: Annotated[str, typer.Option(help="Whose files these are: an id of the network file.")],
) -> None:
    """Index FHIR R4 JSON, NDJSON and DICOM files of one institution.

    Exit status 3 when anything was rejected; `testonce rejected list` shows it.
    """
    from service.bootstrap import open_parts
    from service.domain.errors import Fault, InvalidInput
    from service.settings import load_settings

    if absent := [path for path in paths if not path.exists()]:
        raise InvalidInput("nothing was loaded", [Fault(str(path), "no such file or folder") for path in absent])
    settings = load_settings()
    parts = open_parts(settings)
    try:
        loader = loader_of(parts, institution)
        with progress() as on_progress:
            counts = loader.load_paths(paths, on_progress, settings.max_file_bytes)
        record(parts, institution, counts)
    finally:
        parts.close()
    show(counts)
    if counts.total("rejected"):
        raise typer.Exit(REJECTED)


def loader_of(parts: Parts, institution: str) -> Loader:
    """The loader of an institution, under its mapping profiles and time zone. InvalidInput when the network has no
    institution of that id."""
    from service.cli.local import require_institution
    from service.ingest.pipeline import Loader
    from service.pulling.mapping import reading_for
    from service.registry.ingest_store import SqlIngestStore

    policy = parts.reference.current_policy()
    require_institution(policy.network.institution_by_id, institution)
    store = SqlIngestStore(parts.database, parts.keys, persons=parts.linker)
    catalogue, network = reading_for(parts.database, institution, policy.catalogue, policy.network)
    return Loader(store, institution, catalogue, network)


def record(parts: Parts, institution: str, counts: LoadCounts) -> None:
    """Puts the load into the audit log: what happened to how many, no names."""
    from service.audit.events import Action
    from service.cli.local import record_audit
    from service.ingest.counts import OUTCOMES

    detail = {outcome: counts.total(outcome) for outcome in OUTCOMES}
    record_audit(parts, Action.REPORTS_LOADED, f"Institution/{institution}", detail, institution)


def progress(what: str = "loaded", unit: str = "bytes") -> AbstractContextManager[Callable[[Progress], None]]:
    """How far it is: a bar on a terminal, plain lines otherwise; on stderr."""
    return _bar(what, unit) if sys.stderr.isatty() else _lines(what, unit)


def _bar(what: str, unit: str) -> AbstractContextManager[Callable[[Progress], None]]:
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    @contextmanager
    def shown() -> Iterator[Callable[[object], None]]:
        numbers = DownloadColumn() if unit == "bytes" else MofNCompleteColumn()
        columns = (TextColumn("{task.description}"), BarColumn(), numbers, TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda at: bar.update(task, completed=at.done, total=at.total)  # type: ignore[attr-defined]

    return shown()


def _lines(what: str, unit: str) -> AbstractContextManager[Callable[[Progress], None]]:
    """Where no person watches: a line at every tenth of the way."""
    from contextlib import nullcontext

    shown = 0

    def line(at: Progress) -> None:
        nonlocal shown
        tenth = 10 * at.done // max(at.total, 1)
        if tenth > shown:
            shown = tenth
            typer.echo(f"{what} {at.done:,} of {at.total:,} {unit} ({tenth * 10} %)", err=True)

    return nullcontext(line)


def show(counts: LoadCounts) -> None:
    """Prints what became of everything: a table by type, then the reasons."""
    from rich.console import Console
    from rich.table import Table

    from service.cli.counted import counted
    from service.ingest.counts import OUTCOMES

    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for outcome in OUTCOMES:
        table.add_column(outcome, justify="right")
    used = {kind for (kind, outcome), n in counts.outcomes.items() if n and outcome != "ignored"}
    for kind in sorted(used):
        table.add_row(kind, *(str(counts.outcomes[kind, outcome] or "-") for outcome in OUTCOMES))
    if others := {kind for kind, outcome in counts.outcomes if outcome == "ignored"} - used:
        ignored = sum(counts.outcomes[kind, "ignored"] for kind in others)
        table.add_row(counted(len(others), "other type"), "-", "-", "-", str(ignored), "-")
    table.add_row("total", *(str(counts.total(outcome)) for outcome in OUTCOMES), style="bold")
    console = Console(highlight=False)
    console.print(table)
    reports = ", ".join(f"{n} {what}" for what, n in sorted(counts.reports.items()) if n) or "none touched"
    console.print(f"{counted(counts.files, 'file')}; reports: {reports}", markup=False)
    for (kind, outcome, reason), n in sorted(counts.reasons.items()):
        if outcome == "rejected" or reason != "type-not-used":
            console.print(f"  {n} {kind} {outcome}: {reason}", markup=False)
    for note, n in sorted(counts.notes.items()):
        console.print(f"  {n} noted: {note}", markup=False)
    if counts.total("rejected"):
        console.print("rejected input is kept: testonce rejected list", markup=False)
