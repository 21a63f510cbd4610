"""`testonce identity review`: what waits for a person's decision."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def review(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20,
    institution: Annotated[str | None, typer.Option(help="Only pairs with a record of this institution.")] = None,
    after: Annotated[str, typer.Option(help="The page after: what the page before names at its end.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON, as the HTTP service gives it.")] = False,
) -> None:
    """List the pairs of persons that wait for a decision, those first on whom most hangs."""
    import msgspec

    from service.bootstrap import open_parts
    from service.cli.local import local_caller, require_institution
    from service.settings import load_settings

    parts = open_parts(load_settings())
    try:
        if institution is not None:
            require_institution(parts.reference.current_policy().network.institution_by_id, institution)
        page = parts.inquiries.review(local_caller(), limit, after, institution)
    finally:
        parts.close()
    if as_json:
        typer.echo(msgspec.json.encode(page).decode())
    else:
        for line in lines(page):
            typer.echo(line)


def lines(page: dict[str, Any]) -> list[str]:
    """The page as a person reads it: a line for each two persons, then what else needs a look."""
    from service.cli.counted import counted

    found = []
    for one in page["pairs"]:
        stake = one["stake"]
        hangs = f"{counted(stake['reports'], 'report')} in a year, {counted(stake['decisions'], 'decision')} in a month"
        more = f", {one['links']} links" if one["links"] > 1 else ""
        found.append(f"{one['a']}  {one['b']}  {hangs}  score {one['score']}{more}  {'; '.join(one['why'])}")
    if not page["pairs"]:
        found.append("nothing waits")
    if page["next"]:
        found.append(f"next page: --after {page['next']}")
    for alarm, n in (page["alarms"] or {}).items():
        if n:
            found.append(f"look into: {n} x {_ALARMS[alarm]}")
    return found


_ALARMS = {
    "crowded-number": "a personal number that too many people bear: a placeholder, or a card lent to everybody",
    "crowded-phone": "a phone that too many people share, as a desk's; it proves nothing",
    "crowded-card": "a card that too many people share; it proves nothing",
    "large-person": "a person of more than 30 records",
}
