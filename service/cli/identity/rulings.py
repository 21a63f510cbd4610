"""`testonce identity link`, `unlink`, `not-same`, `withdraw`: what people decide about two records."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from service.edge.parts import Parts
    from service.identity.store.rulings import Ruled, Rulings
    from service.security.caller import Caller

A = Annotated[str, typer.Argument(metavar="A", help="A patient record: institution/local_id.")]
B = Annotated[str, typer.Argument(metavar="B", help="The other one.")]
Why = Annotated[str, typer.Option(help="The reason; whoever looks at it later must understand it.")]
User = Annotated[str | None, typer.Option("--as", metavar="USER", help="Who decides. Default: you.")]


def link(a: A, b: B, why: Why, user: User = None) -> None:
    """Two records are one person: one user proposes it, and it takes effect when another says the same."""
    _rule(lambda rulings, caller: rulings.link(a, b, why, caller), user)


def unlink(a: A, b: B, why: Why, user: User = None) -> None:
    """Two records, so far one person, are two; at once, and no later load joins them again."""
    _rule(lambda rulings, caller: rulings.unlink(a, b, why, caller), user)


def not_same(a: A, b: B, why: Why, user: User = None) -> None:
    """Two records are two persons, whatever comes; at once."""
    _rule(lambda rulings, caller: rulings.not_same(a, b, why, caller), user)


def withdraw(a: A, b: B, why: Why, user: User = None) -> None:
    """Take back what was ruled or proposed on two records: the rules alone judge them again."""
    _rule(lambda rulings, caller: rulings.withdraw(a, b, why, caller), user)


def steward(user: str | None) -> Caller:
    """Who decides: the user of this machine, or one they type for, which is written down too."""
    from dataclasses import replace

    from service.cli.local import local_caller
    from service.domain.errors import Fault, InvalidInput

    here = local_caller()
    if user is not None and not user.strip():
        raise InvalidInput("the user cannot be read", [Fault("--as", "the name of whoever decides is expected")])
    if user is None or f"cli:{user.strip()}" == here.actor:
        return here
    return replace(here, actor=f"cli:{user.strip()} (typed by {here.actor.removeprefix('cli:')})")


def _rule(decide: Callable[[Rulings, Caller], Ruled], user: str | None) -> None:
    from service.bootstrap import open_parts
    from service.identity.store.rulings import Opposed
    from service.settings import load_settings

    parts = open_parts(load_settings())
    try:
        ruled = decide(parts.rulings, steward(user))
        numbers = ", ".join(map(str, ruled.rulings))
        typer.echo(f"{_MEANING[ruled.state]} (ruling {numbers})")
        if ruled.change is not None:
            show_touched(parts, ruled.change)
    except Opposed as opposed:
        for a, b in opposed.pairs:
            typer.echo(f"in the way; to take it back: testonce identity withdraw {a} {b} --why …", err=True)
        raise
    finally:
        parts.close()


_MEANING = {
    "proposed": "proposed; it takes effect when another user says the same: testonce identity link … --as USER",
    "in-force": "in force",
    "withdrawn": "taken back",
}


def show_touched(parts: Parts, change: int) -> None:
    """Evaluates again what rested on the persons as they were, and lists it."""
    from service.cli.counted import counted
    from service.decisions.touched import touched

    affected = parts.reach.run([change])
    typer.echo(f"{counted(len(affected), 'earlier decision')} touched")
    with parts.database.read() as conn:
        for one in touched(conn, parts.keys, affected):
            outcomes = ", ".join(f"{order} {was} -> {now or 'not known'}" for order, was, now in one.outcomes)
            where = f"{one.affected.decision_id}  {one.affected.institution}  {one.affected.state}"
            typer.echo(f"  {where}  {outcomes}  now {one.affected.superseded_by or 'nothing'}")
