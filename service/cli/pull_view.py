"""What `testonce pull` shows: how far each source is, and what became of everything."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

import typer

from service.cli.console import open_console

if TYPE_CHECKING:
    from service.domain.errors import TestOnceError
    from service.pulling.run import At, Outcome

_LINE_SECONDS = 5.0
_COMPLAINT_SECONDS = 60.0
_COUNTED = ("received", "new", "updated", "unchanged", "ignored", "rejected", "deleted")


@dataclass(frozen=True, slots=True)
class Done:
    """What a run of one source came to: its outcome (None: another process has it, or it could not be tried), what was
    wrong, and how many seconds it took."""

    source: str
    outcome: Outcome | None
    trouble: str = ""
    seconds: float = 0.0

    @classmethod
    def of(cls, source: str, outcome: Outcome | None, seconds: float) -> Done:
        """What an outcome comes to."""
        error = outcome.error if outcome else None
        return cls(source, outcome, f"{error.code}: {error.message}" if error else "", seconds)

    @property
    def rejected(self) -> int:
        """How many records wait with the dead letters."""
        return self.outcome.counts.total("rejected") if self.outcome else 0


def counts_of(outcome: Outcome) -> dict[str, int]:
    """Counts of a run by what the table shows. Records known from before count as unchanged; deletions are those that
    listings told, the ones told by records count by what they did."""
    counts = outcome.counts
    return {
        "received": outcome.received,
        "new": counts.total("new"),
        "updated": counts.total("updated"),
        "unchanged": counts.total("unchanged") + outcome.known,
        "ignored": counts.total("ignored") + sum(outcome.ignored.values()),
        "rejected": counts.total("rejected"),
        "deleted": outcome.deleted,
    }


def show_done(done: Sequence[Done]) -> None:
    """A table with a row for each source, then what was wrong and what to look at."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))  # names have room in 80 columns
    table.add_column("source", overflow="fold")
    for title in (*_COUNTED, "s"):
        table.add_column(title, justify="right")
    for one in done:
        cells = counts_of(one.outcome) if one.outcome else {}
        table.add_row(Text(one.source), *(str(cells.get(name, "-")) for name in _COUNTED), f"{one.seconds:.1f}")
    console = open_console(soft_wrap=True)
    console.print(table)
    for line in (line for one in done for line in _remarks(one)):
        console.print(line, markup=False)


def _remarks(one: Done) -> Iterator[str]:
    if one.trouble:
        yield f"{one.source} FAILED: {one.trouble}"
    elif one.outcome is None:
        yield f"{one.source}: another process is pulling it"
    elif one.outcome.stopped:
        yield f"{one.source}: stopped; the next run goes on from here"
    if one.outcome is not None and one.outcome.warning:
        yield f"{one.source} warning: {one.outcome.warning.en}"
    if one.rejected:
        yield f"{one.source}: {one.rejected} rejected are kept: testonce rejected list"


def watch_line(source: str, outcome: Outcome | None, error: TestOnceError | None) -> str | None:
    """One line on a run of `--watch`; None where nothing happened."""
    at = _now()
    if error is not None:
        return f"{at} {source} FAILED: {error}"
    if outcome is None:
        return None
    if outcome.error is not None:
        return f"{at} {source} FAILED: {outcome.error.code}: {outcome.error.message}"
    found = ", ".join(f"{n} {what}" for what, n in counts_of(outcome).items() if n)
    warning = f"; warning: {outcome.warning.en}" if outcome.warning else ""
    return f"{at} {source}: {found or 'nothing new'}{warning}" if found or warning else None


Shown = AbstractContextManager[Callable[["At"], None]]


def shown_progress(sources: Sequence[str]) -> Shown:
    """How far each source is: a bar for each on a terminal, plain lines otherwise; on stderr."""
    return _bars(sources) if sys.stderr.isatty() else nullcontext(lines())


def lines(clock: Callable[[], float] = monotonic) -> Callable[[At], None]:
    """Where no person watches: a line for each source every few seconds."""
    said: dict[str, float] = {}
    lock = Lock()

    def line(at: At) -> None:
        with lock:
            if clock() - said.setdefault(at.source, clock()) < _LINE_SECONDS:
                return
            said[at.source] = clock()
        of = f"; {at.done:,} of {at.total:,}" if at.total else ""
        typer.echo(f"{at.source}: {at.received:,} received, {at.stored:,} not known before{of}", err=True)

    return line


def arrivals(clock: Callable[[], float] = monotonic) -> Callable[[At], None]:
    """For `testonce receive`: what has arrived since the last line, told when it pauses and every few seconds."""
    told = seen = 0
    since = clock()

    def line(at: At) -> None:
        nonlocal told, seen, since
        if at.received < seen:  # another run, which counts anew
            told = seen = 0
        paused, seen = at.received == seen, at.received
        if seen > told and (paused or clock() - since >= _LINE_SECONDS):
            typer.echo(f"{_now()} {at.source}: {seen - told:,} received")
            told, since = seen, clock()

    return line


def complaints(clock: Callable[[], float] = monotonic) -> Callable[[str], None]:
    """For what is tried again twice a second: the same trouble is told once a minute, on stderr."""
    told, at = "", 0.0

    def complain(text: str) -> None:
        nonlocal told, at
        if text == told and clock() - at < _COMPLAINT_SECONDS:
            return
        told, at = text, clock()
        typer.echo(f"{_now()} {text}", err=True)

    return complain


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


@contextmanager
def _bars(sources: Sequence[str]) -> Iterator[Callable[[At], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[received]} received"),
        TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks = {one: bars.add_task(one, total=None, received=0) for one in sources}
        yield lambda at: bars.update(tasks[at.source], completed=at.done, total=at.total or None, received=at.received)
