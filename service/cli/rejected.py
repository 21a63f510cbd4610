"""`testonce rejected`: input that could not be used, and another try."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.console import open_console

if TYPE_CHECKING:
    from service.ingest.port import StoredRejection

app = typer.Typer(help="Input that could not be used: list it, try it again.", no_args_is_help=True)


@app.command("list")
def list_(
    institution: Annotated[str | None, typer.Option(help="Only this institution's.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="Also what is done with, and how.")] = False,
) -> None:
    """Show what waits: where it is, and why it could not be used."""
    from service.bootstrap import open_parts
    from service.registry import rejections
    from service.settings import load_settings

    parts = open_parts(load_settings())
    try:
        with parts.database.read() as conn:
            waiting = rejections.listed(conn, parts.keys, institution, done=everything)
    finally:
        parts.close()
    _print_json(waiting) if json else _print_table(waiting, everything)


def _state(one: StoredRejection) -> str:
    if one.resolved_at is None:
        return "waiting"
    return "superseded by a later version" if one.is_superseded else "retried"


def _print_json(waiting: list[StoredRejection]) -> None:
    import msgspec

    rows = [
        {
            "id": one.id,
            "institution": one.institution,
            "file": one.name,
            "record": one.record or None,
            "place": one.place,
            "code": one.code,
            "reason": one.reason,
            "rejectedAt": one.rejected_at.isoformat(),
            "state": _state(one),
            "resolvedAt": None if one.resolved_at is None else one.resolved_at.isoformat(),
        }
        for one in waiting
    ]
    typer.echo(msgspec.json.format(msgspec.json.encode(rows)).decode())


def _print_table(waiting: list[StoredRejection], everything: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    if not waiting:
        typer.echo("nothing waits")
        return
    table = Table(box=None, pad_edge=False)
    for title in ("id", "institution", "file", "place", "code", "reason", *(["state"] if everything else [])):
        table.add_column(title, overflow="fold")
    for one in waiting:
        # the documents of a source hold many records: its people know them by their names, not by our places
        name = one.name if not one.record or one.record in one.name else f"{one.name}/{one.record}"
        cells = (str(one.id), one.institution, name, one.place, one.code, one.reason, _state(one))
        table.add_row(*(Text(cell) for cell in cells[: len(table.columns)]))  # as text: a file name is no markup
    open_console().print(table)


@app.command()
def retry(
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID...]", help="Which ones; all when none is named.")
    ] = None,
) -> None:
    """Read rejected input again, whole documents at a time. Exit status 3 when anything is rejected again."""
    from service.bootstrap import open_parts
    from service.cli.load import REJECTED, loader_of, record, show
    from service.domain.errors import Fault, InvalidInput
    from service.ingest.counts import LoadCounts
    from service.registry import rejections
    from service.settings import load_settings

    parts = open_parts(load_settings())
    counts = LoadCounts()
    try:
        with parts.database.read() as conn:
            waiting = rejections.waiting(conn, parts.keys)
        if unknown := sorted(set(ids or ()) - {one.id for one in waiting}):
            raise InvalidInput(
                "no such rejection waits", [Fault(str(one), "see: testonce rejected list") for one in unknown]
            )
        chosen = [one for one in waiting if not ids or one.id in ids]
        for institution in sorted({one.institution for one in chosen}):
            own = [one.id for one in chosen if one.institution == institution]
            done = loader_of(parts, institution).retry(own)
            record(parts, institution, done)
            counts.merge(done)
    finally:
        parts.close()
    show(counts)
    if counts.total("rejected"):
        raise typer.Exit(REJECTED)
