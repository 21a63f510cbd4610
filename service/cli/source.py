"""`testonce source`: looking at one hospital system before and while it is pulled from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from service.edge.parts import Parts
    from service.pulling.readiness import Checked
    from service.source_settings import SourceSettings

app = typer.Typer(help="One hospital system that is pulled from, a source of the settings.", no_args_is_help=True)
NOT_READY = 1


@app.callback()
def _group() -> None:
    """A group of commands, though it has one: its name must be said."""


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="The source's name in the settings.")],
    report: Annotated[Path | None, typer.Option(help="Writes a readiness report (Markdown) there.")] = None,
    lang: Annotated[str | None, typer.Option(help="zh or en. Default: the locale's, else the setting's.")] = None,
) -> None:
    """Connect, ask what it can, convert up to twenty records, and say whether it is ready. Nothing is stored.

    Exit status 1 when it is not ready.
    """
    from datetime import UTC, datetime

    from service.bootstrap import open_parts, open_puller
    from service.cli.match import choose_language
    from service.cli.source_view import render
    from service.pulling.configured import choose
    from service.pulling.readiness import check as look_at
    from service.pulling.readiness_report import write_report
    from service.settings import load_settings

    settings = load_settings()
    language = choose_language(lang, os.environ, settings.language)
    (chosen,) = choose(settings.source, [name])
    parts = open_parts(settings)
    try:
        found = look_at(open_puller(parts), chosen)
        _record(parts, chosen, found)
        zone = parts.reference.current_policy().network.zone
    finally:
        parts.close()
    if report is not None:
        write_private(report, write_report(found, datetime.now(UTC).astimezone(zone)))
    render(found, language, zone, report)
    if not found.is_ready:
        raise typer.Exit(NOT_READY)


def write_private(path: Path, text: str) -> None:
    """Writes a file that its owner alone may read: a sample of real records stands in it. InvalidInput when it cannot
    be written."""
    from service.domain.errors import Fault, InvalidInput

    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)  # it may have been there before
            file.write(text)
    except OSError as error:
        raise InvalidInput("the report cannot be written", [Fault(str(path), str(error.strerror))]) from None


@contextmanager
def opened_or_refused() -> Iterator[None]:
    """A source's own trouble as an error of the command."""
    from service.domain.errors import TestOnceError
    from service.ingest.source import SourceError

    try:
        yield
    except SourceError as error:
        raise TestOnceError(f"{error.code}: {error.message}") from None


def _record(parts: Parts, source: SourceSettings, found: Checked) -> None:
    """A sample of real records was shown to whoever sits here."""
    from service.audit.events import Action
    from service.cli.local import record_audit

    detail: dict[str, int | bool] = {"sampled": found.sampled, "ready": found.is_ready}
    record_audit(parts, Action.SOURCE_CHECKED, f"Source/{source.name}", detail, source.institution)
