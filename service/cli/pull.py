"""`testonce pull`: from the configured hospital systems into the registry, once or for good."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.load import REJECTED

if TYPE_CHECKING:
    from service.cli.pull_view import Done
    from service.edge.parts import Parts
    from service.pulling.pull import Puller
    from service.pulling.run import OnProgress, Outcome
    from service.source_settings import SourceSettings

FAILED = 1
_HANDS_OFF_SECONDS = 0.2


def pull(
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE...]", help="Which ones; all that are enabled otherwise.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Keep pulling, each when it is due, until stopped.")] = False,
) -> None:
    """Pull from the hospital systems that the settings name as sources.

    Exit status 1 when a source failed, 3 when anything was rejected; `testonce sources` says more. Several processes
    may pull: each source is pulled by one of them at a time.
    """
    from service.bootstrap import open_parts, open_puller
    from service.cli.pull_view import show_done, shown_progress
    from service.pulling.configured import choose
    from service.settings import load_settings

    settings = load_settings()
    chosen = choose(settings.source, sources or ())
    if not chosen:
        typer.echo("no [[source]] is configured and enabled; see docs/sources.md")
        return
    parts = open_parts(settings)
    try:
        with until_stopped() as stop:
            if watch:
                _watch(parts, open_puller(parts), chosen, stop)
                return
            with shown_progress([one.name for one in chosen]) as on_progress:
                done = pull_once(parts, open_puller(parts), chosen, stop, on_progress)
    finally:
        parts.close()
    show_done(done)
    if any(one.trouble for one in done):
        raise typer.Exit(FAILED)
    if any(one.rejected for one in done):
        raise typer.Exit(REJECTED)


def pull_once(
    parts: Parts,
    puller: Puller,
    sources: Sequence[SourceSettings],
    stop: threading.Event,
    on_progress: OnProgress | None = None,
) -> list[Done]:
    """Pulls each source once, each on a thread of its own: a sick one keeps none of the others waiting. Gives what was
    done in the order of the sources."""
    done: dict[str, Done] = {}

    def work(source: SourceSettings) -> None:
        done[source.name] = _pull_one(parts, puller, source, stop, on_progress)

    threads = [threading.Thread(target=work, args=(one,), name=f"pull-{one.name}", daemon=True) for one in sources]
    for one in threads:
        one.start()
    for one in threads:
        while one.is_alive():
            one.join(_HANDS_OFF_SECONDS)  # in pieces: a signal is heard in between
    return [done[one.name] for one in sources]


def _pull_one(
    parts: Parts, puller: Puller, source: SourceSettings, stop: threading.Event, on_progress: OnProgress | None
) -> Done:
    from service.cli.pull_view import Done
    from service.domain.errors import TestOnceError

    started = monotonic()
    try:
        outcome = puller.pull(source, on_progress, stop.is_set)
        record(parts, source, outcome)
    except TestOnceError as error:
        return Done(source.name, None, str(error), monotonic() - started)
    except Exception as error:  # a thread must not end without a word; the text of it may quote what was read
        return Done(source.name, None, f"failed with {type(error).__name__}; this is a defect", monotonic() - started)
    return Done.of(source.name, outcome, monotonic() - started)


def _watch(parts: Parts, puller: Puller, sources: Sequence[SourceSettings], stop: threading.Event) -> None:
    from service.cli.pull_view import watch_line
    from service.domain.errors import TestOnceError
    from service.pulling.watch import Watch

    by_name = {one.name: one for one in sources}

    def on_outcome(name: str, outcome: Outcome | None, error: TestOnceError | None) -> None:
        if error is None:
            record(parts, by_name[name], outcome)
        if (line := watch_line(name, outcome, error)) is not None:
            typer.echo(line)

    typer.echo(f"watching {', '.join(by_name)}; stop with Ctrl-C")
    Watch(puller, sources, on_outcome).run(stop)
    typer.echo("stopped")


def record(parts: Parts, source: SourceSettings, outcome: Outcome | None) -> None:
    """Puts a run that did something, or failed, into the audit log: what became of how many, no names. A run that found
    nothing new touches no patient's data, and there is one every few minutes."""
    from service.audit.events import Action
    from service.cli.local import record_audit
    from service.ingest.counts import OUTCOMES

    if outcome is None or not (outcome.stored or outcome.error or outcome.counts.outcomes):
        return
    detail: dict[str, int | str] = {one: outcome.counts.total(one) for one in OUTCOMES}
    detail |= {"received": outcome.received, "stored": outcome.stored, "vanished": outcome.deleted}
    if outcome.error is not None:
        detail["error"] = outcome.error.code
    record_audit(parts, Action.SOURCE_PULLED, f"Source/{source.name}", detail, source.institution)


@contextmanager
def until_stopped() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set: the batch at hand is stored, then it ends. A second SIGINT ends at once,
    which loses nothing either."""
    stop = threading.Event()

    def on_signal(number: int, _frame: Any) -> None:
        if stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop.set()

    before: list[tuple[int, Callable[..., Any] | int | None]] = [
        (one, signal.signal(one, on_signal)) for one in (signal.SIGINT, signal.SIGTERM)
    ]
    try:
        yield stop
    finally:
        for one, handler in before:
            signal.signal(one, handler)
