"""`testonce identity`: which records are one person, and what people decided about it."""

from __future__ import annotations

import typer

from service.cli.identity_evaluate import evaluate

app = typer.Typer(help="Which records are one person, and what people decided about it.", no_args_is_help=True)
app.command("evaluate")(evaluate)
