"""`testonce receive`: listens to an archive that pushes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from service.pulling.run import Outcome


def receive(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A source of the settings whose archive pushes.")],
) -> None:
    """Listen to an archive that pushes (DICOM C-STORE), until stopped.

    An instance is acknowledged once it is stored. It listens on options.receive_host and receive_port of the source.
    """
    from service.bootstrap import find_adapter, open_parts, open_puller
    from service.cli.pull import record, until_stopped
    from service.cli.pull_view import arrivals, complaints
    from service.domain.errors import Fault, InvalidInput, Unavailable
    from service.ingest.source import SourceError
    from service.pulling.configured import choose
    from service.pulling.receive import receive as listen
    from service.settings import load_settings

    settings = load_settings()
    (chosen,) = choose(settings.source, [source])
    open_receiver = find_adapter(chosen.kind).open_receiver
    if open_receiver is None:
        raise InvalidInput(
            "the source cannot push", [Fault(source, f"nobody listens to a {chosen.kind} source; pull it")]
        )
    parts = open_parts(settings)
    complain = complaints()

    def on_outcome(outcome: Outcome | None, error: Unavailable | None) -> None:
        if error is not None:
            complain(f"{source}: nothing is taken at present: {error}")
        elif outcome is None:
            complain(f"{source}: another process pulls it or listens for it; nothing is taken until that ends")
        else:
            record(parts, chosen, outcome)
            if outcome.error is not None:
                complain(f"{source}: {outcome.error.message}")

    def on_listening(receiver: Any) -> None:
        typer.echo(f"listening for {source} as {receiver.aet} on port {receiver.port}; stop with Ctrl-C")

    try:
        with until_stopped() as stop:
            listen(open_puller(parts), chosen, open_receiver, stop, on_listening, on_outcome, arrivals())
    except SourceError as error:
        raise Unavailable(f"{source}: {error.message}") from None
    finally:
        parts.close()
    typer.echo("stopped")
