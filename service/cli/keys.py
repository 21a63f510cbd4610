"""`testonce keys`: new keys for what is stored, while the service runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from service.registry.rotation.states import SETTLE, State

if TYPE_CHECKING:
    from service.edge.parts import Parts

app = typer.Typer(help="Rotate the keys that patients' data is stored under.", no_args_is_help=True)


@app.command()
def rotate(
    until: Annotated[
        State, typer.Option(help="Stop there, for the key file to be copied to other machines; `none`: go to the end.")
    ] = State.NONE,
    settle: Annotated[
        float, typer.Option(min=0, help="How many seconds the old keys stay at least after the switch.")
    ] = SETTLE,
) -> None:
    """Bring everything under new keys while the service runs, then drop the old ones.

    Broken off anywhere, even by a power cut, and run again, it goes on.
    """
    from service.bootstrap import open_parts
    from service.cli.load import progress
    from service.ingest.pipeline import Progress
    from service.registry.rotation.run import Rotation
    from service.settings import load_settings

    settings = load_settings()
    parts = open_parts(settings)
    try:
        rotation = Rotation(parts.database, settings.resolved_keys_file, settle=settle, say=typer.echo)
        begun = parts.keys.material.current
        with progress("rotated", "rows") as on_progress:
            is_done = rotation.run(until, lambda at: on_progress(Progress(at.done, at.total, at.part)))
        _record(parts, begun, "done" if is_done else until.value)
    finally:
        parts.close()
    if not is_done:
        typer.echo("next: copy the key file to every machine of the service, then run: testonce keys rotate")


@app.command()
def status() -> None:
    """Say which keys are in use and how far a rotation is."""
    from service.bootstrap import open_parts
    from service.registry.rotation.run import read_status
    from service.settings import load_settings

    parts = open_parts(load_settings())
    try:
        now = read_status(parts.database, parts.keys.material)
    finally:
        parts.close()
    typer.echo(f"keys {now.key_id} are in use")
    if now.state is State.NONE:
        typer.echo("no rotation goes on")
        return
    typer.echo(f"a rotation is {now.state.value}: {_MEANING[now.state]}")
    if now.total:
        typer.echo(f"this pass: {now.seen:,} of {now.total:,} rows ({100 * now.seen // now.total} %)")
    typer.echo("next: testonce keys rotate")


_MEANING = {
    State.PREPARED: "new keys are in the file, nothing is written under them yet",
    State.SWITCHED: "rows are written under the new keys, older ones are brought under them",
}


def _record(parts: Parts, begun: int, state: str) -> None:
    from service.audit.events import Action
    from service.cli.local import record_audit

    detail = {"from": begun, "to": parts.keys.material.current, "state": state}
    record_audit(parts, Action.KEYS_ROTATED, "Keys", detail)
