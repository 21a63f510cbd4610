"""`testonce identity`: which records are one person, and what people decided about it."""

from __future__ import annotations

import typer

from service.cli.identity.evaluate import evaluate
from service.cli.identity.explain import explain
from service.cli.identity.export import export
from service.cli.identity.rebuild import rebuild
from service.cli.identity.review import review
from service.cli.identity.rulings import link, not_same, unlink, withdraw

app = typer.Typer(help="Which records are one person, and what people decided about it.", no_args_is_help=True)
app.command("review")(review)
app.command("explain")(explain)
app.command("link")(link)
app.command("unlink")(unlink)
app.command("not-same")(not_same)
app.command("withdraw")(withdraw)
app.command("export")(export)
app.command("evaluate")(evaluate)
app.command("rebuild")(rebuild)
