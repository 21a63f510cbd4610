"""One file per testonce command; no logic of its own. Each is imported only when it is asked for."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import typer

from service.domain.errors import InvalidInput, TestOnceError, Unavailable

COMMANDS = {
    "init": "service.cli.init",
    "serve": "service.cli.serve",
    "network": "service.cli.network",
    "catalogue": "service.cli.catalogue",
    "load": "service.cli.load",
    "pull": "service.cli.pull",
    "receive": "service.cli.receive",
    "sources": "service.cli.sources",
    "source": "service.cli.source",
    "replay": "service.cli.replay",
    "rejected": "service.cli.rejected",
    "identity": "service.cli.identity",
    "match": "service.cli.match",
    "token": "service.cli.token",
    "stats": "service.cli.stats",
    "audit": "service.cli.audit",
    "keys": "service.cli.keys",
    "doctor": "service.cli.doctor",
}
"""Each module has a function of the command's name, or, for a group of commands, a Typer application `app`."""

BAD_INPUT = 2
FAILED = 1


def main(arguments: Sequence[str] | None = None) -> None:
    """The console script. Exit status: 0 done, 1 cannot be done now, 2 the input is at fault, 3 as `load` says."""
    try:
        given = take_config(list(sys.argv[1:] if arguments is None else arguments))
        build_app(given)(args=given, prog_name="testonce")
    except TestOnceError as error:
        report(error)
        raise SystemExit(BAD_INPUT if isinstance(error, InvalidInput) else FAILED) from None


def take_config(arguments: list[str]) -> list[str]:
    """Takes `--config FILE` out, wherever it stands, and hands it on in TESTONCE_CONFIG, which server processes
    inherit."""
    rest: list[str] = []
    left = iter(arguments)
    for one in left:
        name, equals, value = one.partition("=")
        if one == "--":
            rest += [one, *left]
        elif name != "--config":
            rest.append(one)
        else:
            path = value if equals else next(left, "")
            if not path:
                raise InvalidInput("--config needs a file: --config FILE")
            os.environ["TESTONCE_CONFIG"] = os.path.abspath(path)
    return rest


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """The application with the command that is asked for, or with all where help is."""
    app = typer.Typer(
        name="testonce",
        help="TestOnce 一检通: one exam, recognised everywhere. Settings: --config FILE or TESTONCE_CONFIG.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_no_options)
    asked = next((one for one in arguments if not one.startswith("-")), None)
    for name in [asked] if asked in COMMANDS else COMMANDS:
        module = importlib.import_module(COMMANDS[str(name)])
        if isinstance(group := getattr(module, "app", None), typer.Typer):
            app.add_typer(group, name=name)
        else:
            app.command(name)(getattr(module, str(name)))
    return app


def _no_options() -> None:
    pass


def report(error: TestOnceError) -> None:
    """Says on stderr what is wrong, where, and how to mend it."""
    typer.echo(f"testonce: {error}", err=True)
    if isinstance(error, InvalidInput):
        for fault in error.faults:
            typer.echo(f"  {fault.pointer}: {fault.message}" if fault.pointer else f"  {fault.message}", err=True)
    if isinstance(error, Unavailable):
        typer.echo("  `testonce doctor` says more", err=True)
