"""`testonce identity`: which records are one person, and what people decided about it."""

from __future__ import annotations

import typer

from service.cli.identity_evaluate import evaluate
from service.cli.identity_export import export

app = typer.Typer(help="Which records are one person, and what people decided about it.", no_args_is_help=True)
app.command("export")(export)
app.command("evaluate")(evaluate)
