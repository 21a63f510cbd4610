"""`testonce sources`: how each hospital system that is pulled from is."""

from __future__ import annotations

import os
from typing import Annotated

import typer


def sources(
    as_json: Annotated[bool, typer.Option("--json", help="As GET /api/v1/sources gives it.")] = False,
    lang: Annotated[str | None, typer.Option(help="zh or en. Default: the locale's, else the setting's.")] = None,
) -> None:
    """State, lag, last error, counts by day and warnings of every configured source."""
    import msgspec

    from service.bootstrap import open_parts
    from service.cli.match import choose_language
    from service.cli.sources_view import render
    from service.pulling.health import read_health
    from service.pulling.shown import show
    from service.settings import load_settings

    settings = load_settings()
    language = choose_language(lang, os.environ, settings.language)
    parts = open_parts(settings)
    try:
        network = parts.reference.current_policy().network
        found = read_health(parts.database, settings.source, network)
    finally:
        parts.close()
    if as_json:
        body = {"sources": [show(one) for one in found]}
        typer.echo(msgspec.json.format(msgspec.json.encode(body)).decode())
    else:
        render(found, language, network.zone)
