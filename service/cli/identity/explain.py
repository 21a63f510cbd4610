"""`testonce identity explain`: why two records are one person, or are not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from service.cli.console import open_console


def explain(
    a: Annotated[str, typer.Argument(metavar="A", help="A patient record: institution/local_id.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The other one.")],
    at: Annotated[str | None, typer.Option(metavar="TIME", help="Also say who they were thought to be then.")] = None,
    lang: Annotated[str | None, typer.Option(metavar="zh|en", help="Default: the locale, then the setting.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON, as the HTTP service gives it.")] = False,
) -> None:
    """Show what two records say side by side, the rule that judges them, what people ruled, and the history."""
    import os

    import msgspec

    from service.bootstrap import open_parts
    from service.cli.local import local_caller
    from service.cli.match import choose_language, with_offset
    from service.settings import load_settings

    settings = load_settings()
    language = choose_language(lang, os.environ, settings.language)
    parts = open_parts(settings)
    try:
        then = None if at is None else with_offset(at, parts.reference.current_policy().network.zone)
        answer = parts.inquiries.explain(a, b, local_caller(), then)
    finally:
        parts.close()
    if as_json:
        typer.echo(msgspec.json.encode(answer).decode())
        return
    for one in answer["pairs"]:
        _show(one, language)


def _show(one: dict[str, Any], language: str) -> None:

    from rich.table import Table

    from service.identity.words import FIELDS

    n = 0 if language == "zh" else 1
    console = open_console()
    table = Table(box=None, pad_edge=False)
    for title in ("", one["a"], one["b"], ""):
        table.add_column(title, overflow="fold")
    for each in one["fields"]:
        values = ("\n".join(_said(value, n) for value in each[side]) for side in "ab")
        table.add_row(FIELDS[each["field"]][n], *values, each["text"][language])
    console.print(table)
    for line in lines(one, language):
        console.print(line, soft_wrap=True, markup=False)


def _said(value: str, n: int) -> str:
    """A value, its code in words: `resident: 2299…` is a resident number."""
    from service.identity.words import VALUES

    code, colon, rest = value.partition(": ")
    return VALUES[code][n] + colon + rest if code in VALUES else value


def lines(one: dict[str, Any], language: str) -> Iterator[str]:
    """What stands below the table, line by line."""
    say = _WORDS[language]
    yield ""
    yield f"{one['text'][language]}"
    if rule := one["rule"]:
        yield f"{say['rule']} {rule['name']} ({rule['score']}): {rule['text'][language]}"
        yield f"{say['source']} {rule['source'][language]}"
    for each in one["doubts"]:
        yield f"{one[each['record']]}: {each['text'][language]}"
    if one["path"]:
        yield f"{say['path']} {' - '.join(one['path'])}"
    for side in "ab":
        others = [name for name in one["persons"][side] if name != one[side]]
        if others and (side == "a" or one["state"] != "one-person"):
            yield f"{say['with']} {one[side]}: {', '.join(others)}"
    if then := one["then"]:
        yield f"{say['then']} {say['one'] if then['onePerson'] else say['two']}: {_both(then, say['and'])}"
    for ruling in one["rulings"]:
        yield f"{say['ruling']} {ruling['id']}, {ruling['a']} {ruling['b']}: {ruling['text'][language]}"
        for step in ("proposed", "settled", "ended"):
            if ruling[step] is not None and (step, ruling[step]["why"]) != ("settled", None):
                yield f"  {ruling[step]['at']}  {ruling[step]['by']}  {ruling[step]['why'] or ''}".rstrip()
    yield from _history(one["links"], language)


def _history(links: list[dict[str, Any]], language: str) -> Iterator[str]:
    from service.identity.words import CAUSES

    n = 0 if language == "zh" else 1
    for each in links:
        start, end = each["from"], each["to"]
        until = f" .. {end['at']} {CAUSES[end['cause']][n]}, {end['by']}" if end else " .."
        yield (
            f"{start['at']} {CAUSES[start['cause']][n]}, {start['by']}{until}  {each['a']} {each['b']}: "
            f"{each['text'][language]}, {each['rule']} v{each['ruleVersion']}"
        )


def _both(then: dict[str, Any], word: str) -> str:
    groups = [", ".join(then[side]) for side in "ab"]
    return groups[0] if then["onePerson"] else f" {word} ".join(groups)


_WORDS = {
    "zh": {
        "rule": "规则", "source": "依据:", "path": "经由", "with": "同属一人 -", "then": "当时认为是", "one": "一人",
        "two": "两人", "and": "与", "ruling": "人工判定",
    },
    "en": {
        "rule": "rule", "source": "source:", "path": "they hang together over", "with": "one person with",
        "then": "then thought to be", "one": "one person", "two": "two persons", "and": "and", "ruling": "ruling",
    },
}  # fmt: skip
