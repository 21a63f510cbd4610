"""`testonce identity export`: every patient record with the person it belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def export(
    records: Annotated[Path, typer.Argument(metavar="FILE.csv", help="institution,local_id,person,tier")],
    review: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Also write the pairs that wait for a person's decision.")
    ] = None,
) -> None:
    """Write every patient record with the person it belongs to; an earlier file of that name is replaced."""
    from service.bootstrap import open_parts
    from service.cli.counted import counted
    from service.cli.local import local_caller
    from service.identity.store.export import Exporter
    from service.settings import load_settings

    parts = open_parts(load_settings())
    try:
        found = Exporter(parts.database, parts.keys, parts.audit).write(records, review, local_caller())
    finally:
        parts.close()
    pairs = f", {counted(found.pairs, 'pair')} to review" if review else ""
    typer.echo(f"{counted(found.records, 'record')}{pairs}")
