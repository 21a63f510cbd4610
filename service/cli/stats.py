"""`testonce stats`: recognition counts."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from service.cli.console import open_console


class Format(StrEnum):
    """How counts are shown."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def stats(
    from_: Annotated[str | None, typer.Option("--from", metavar="D", help="First day (2026-11-01).")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="D", help="Last day, inclusive.")] = None,
    by: Annotated[str | None, typer.Option(help="issuer, requester, item, kind, month, day, reason, mark.")] = None,
    format_: Annotated[Format, typer.Option("--format", help="How to show them.")] = Format.TABLE,
) -> None:
    """Recognition counts."""
    import msgspec

    from service.bootstrap import open_parts
    from service.cli.local import local_caller
    from service.recognition.table import to_csv
    from service.settings import load_settings

    parts = open_parts(load_settings())
    try:
        answer = parts.statistics.ask(from_, to, by, local_caller())
    finally:
        parts.close()
    if format_ is Format.JSON:
        typer.echo(msgspec.json.format(msgspec.json.encode(answer)).decode())
    elif format_ is Format.CSV:
        typer.echo(to_csv(answer), nl=False)
    else:
        _print_table(answer)


def _print_table(answer: dict[str, Any]) -> None:
    from rich.table import Table

    columns = {
        "prompts": "prompts", "recognised": "recognised", "repeated": "repeated", "unanswered": "unanswered",
        "itemsRecognised": "items", "rate": "rate", "amount": "CNY", "doseMSv": "mSv",
    }  # fmt: skip
    table = Table(box=None, pad_edge=False)
    for name in answer["by"]:
        table.add_column(name, overflow="fold")  # a code cut short is another code
    for title in columns.values():
        table.add_column(title, justify="right")
    for row in answer["rows"]:
        table.add_row(*(row[name] or "-" for name in answer["by"]), *(_cell(name, row[name]) for name in columns))
    if answer["by"]:
        table.add_section()
        empty = ["total", *[""] * (len(answer["by"]) - 1)]
        table.add_row(*empty, *(_cell(name, answer["total"][name]) for name in columns))
    console = open_console(highlight=True)
    console.print(table)
    if reasons := answer["total"]["reasons"]:
        console.print("repeated because: " + ", ".join(f"{code} {n}" for code, n in reasons.items()))
    console.print(f"rate = {answer['rateFormula']}", style="dim")


def _cell(name: str, value: Any) -> str:
    if name == "rate":
        return "-" if value is None else f"{value:.1%}"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
