"""A decision (contract, section 4) as a person reads it on a terminal, in Chinese or English.

Nothing is judged here: headline, table and reasons are what the answer says. Every colour has a word or symbol
beside it. Texts come from other hospitals, so they are shown as plain text: no markup, no control characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from service.cli.match_words import SEVERITY_STYLES, STYLES, WORDS, age_in_words, digits_of, plain, printed_unit
from service.domain.catalogue import Catalogue

_FEW = 3  # more items than this are not named one by one when it is all of them
_WIDE = 100  # columns; a narrower terminal has the sources below the table

Answer = Mapping[str, Any]


def render_decision(answer: Answer, lang: str, console: Console, catalogue: Catalogue) -> None:
    """Prints the decision. `answer` is the JSON of `POST /api/v1/match`, `lang` is `zh` or `en`; items that the
    catalogue does not know are shown by their id."""
    _View(lang, console, catalogue).show(answer)


@dataclass(slots=True)
class _Row:
    """One line of the table: its cells by column, and where the result is from."""

    cells: dict[str, Text]
    source: str = ""


class _View:
    def __init__(self, lang: str, console: Console, catalogue: Catalogue) -> None:
        self.lang = "en" if lang == "en" else "zh"
        self.console = console
        self.catalogue = catalogue

    def show(self, answer: Answer) -> None:
        match = answer["patient"]["match"]
        style = {"confirmed": "green", "unknown": ""}.get(match, "bold yellow")
        self._print(Text(self._word("unknown-patient" if match == "unknown" else match), style), indent=1)
        for order in answer["orders"]:
            self._order(order)
        self._savings(answer["savings"])

    def _order(self, order: Answer) -> None:
        symbol, style = STYLES[order["decision"]]
        headline = Text(f"{symbol} {self._word(order['decision'])}  ", style)
        headline.append(plain(order["summary"][self.lang]), "bold")
        self.console.print()
        self._print(headline, indent=1)
        # where nothing is known a table would only list the order's members again
        rows = list(self._rows(order)) if order["candidates"] or order["decision"] != "no-result" else []
        if rows:
            self._show_rows(rows)
        used = {reuse["candidate"] for reuse in order["reuse"]}
        keys = [{_key(one) for one in _own(each)} for each in order["candidates"]]
        here = set().union(*(keys[n] for n in used))
        elsewhere = set().union(*keys) - here  # told below, with the candidate that has it
        self._reasons(one for one in order["reasons"] if _key(one) not in elsewhere)
        self._others(order, used)

    def _rows(self, order: Answer) -> Iterator[_Row]:
        candidates = order["candidates"]
        for reuse in order["reuse"]:
            candidate = candidates[reuse["candidate"]]
            yield self._row(reuse["item"], reuse["decision"], candidate, _result_of(candidate, reuse["item"]))
        for repeat in order["repeat"]:
            # what is known of an item that must be repeated is shown too: the clinician sees why
            found = next((one for one in candidates if _result_of(one, repeat["item"])), None)
            yield self._row(repeat["item"], "repeat", found, _result_of(found, repeat["item"]) if found else None)

    def _row(self, item: str, verdict: str, candidate: Answer | None, result: Answer | None) -> _Row:
        symbol, style = STYLES[verdict]
        cells = {"item": Text(self._name(item)), "verdict": Text(f"{symbol} {self._word(verdict)}", style)}
        if candidate is None:
            return _Row(cells | {"value": Text(self._word("unknown"), "dim")})
        dim = "dim" if verdict == "repeat" else ""
        flag = plain((result or {}).get("interpretation"))
        return _Row(
            cells
            | {
                "value": Text(self._value(candidate, result), dim or "bold"),
                "range": Text(plain((result or {}).get("referenceRange")), "dim"),
                "flag": Text(flag, "bold red" if flag not in ("", "N") else "dim"),
                "age": Text(self._age(candidate, result), dim),
                "issuer": Text(plain(candidate.get("institutionName")), dim),
                "mark": Text(plain((result or candidate).get("mark")), dim or "cyan"),
            },
            self._source(candidate, result),
        )

    def _value(self, candidate: Answer, result: Answer | None) -> str:
        if result is None or result.get("value") is None:
            reported = (result or {}).get("reported") or {}
            if reported.get("value") is not None:
                text = plain(" ".join(filter(None, (reported["value"], reported.get("unit")))))
                return f"{text} ({self._word('reported')})"
            return self._word("seen") if candidate.get("kind") == "imaging" and candidate.get("report") else "—"
        return f"{digits_of(result)} {printed_unit(result.get('unit'))}".rstrip()

    def _show_rows(self, rows: list[_Row]) -> None:
        if self.console.width >= _WIDE:
            self._table(rows, ("item", "value", "range", "flag", "age", "issuer", "mark", "verdict"))
            return
        sources = list(dict.fromkeys(row.source for row in rows if row.source))
        for row in rows:
            row.cells["from"] = Text(str(sources.index(row.source) + 1) if row.source else "", "dim")
        self._table(rows, ("item", "value", "range", "flag", "from", "verdict"))
        for number, source in enumerate(sources, 1):
            self._print(Text(f"{self._word('from')} {number}: ", "dim").append(source, "default"), indent=3)

    def _table(self, rows: Iterable[_Row], columns: tuple[str, ...]) -> None:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for column in columns:
            table.add_column(
                self._word(column), justify="right" if column == "value" else "left",
                no_wrap=column not in ("item", "value", "issuer"), overflow="fold",
            )  # fmt: skip
        for row in rows:
            table.add_row(*(row.cells.get(column, Text()) for column in columns))
        self._print(table, indent=3)

    def _reasons(self, reasons: Iterable[Answer], indent: int = 3, items: int = 0) -> None:
        """Each reason once; what several items share stands on one line. `items` is how many there are in all."""
        shared: dict[tuple[str, str, str], list[str]] = {}
        for reason in reasons:
            key = (reason["severity"], reason["text"][self.lang], reason["code"])
            names = shared.setdefault(key, [])
            if reason.get("item") and self._name(reason["item"]) not in names:
                names.append(self._name(reason["item"]))
        for (severity, text, code), names in shared.items():
            line = Text("· ", SEVERITY_STYLES.get(severity, ""))
            if len(names) > _FEW and len(names) == items:
                line.append(f"全部 {items} 项: " if self.lang == "zh" else f"all {items} items: ")
            elif names:
                line.append(("、" if self.lang == "zh" else ", ").join(names) + ": ")
            line.append(plain(text), SEVERITY_STYLES.get(severity, "")).append(f"  [{code}]", "dim")
            self._print(line, indent)

    def _others(self, order: Answer, used: set[int]) -> None:
        """Where to open what can be reused; then the candidates that nothing is taken from, with their reasons."""
        told = {_key(reason) for reason in order["reasons"]}
        shown_title = False
        for index, candidate in sorted(enumerate(order["candidates"]), key=lambda one: one[0] not in used):
            if index in used:
                self._reasons(one for one in _own(candidate) if _key(one) not in told)
                self._retrieve(candidate)
                continue
            if not shown_title:
                self._print(Text(self._word("others"), "dim"), indent=3)
                shown_title = True
            symbol, style = STYLES[candidate["verdict"]]
            self._print(Text(f"{symbol} ", style).append(self._source(candidate), "default"), indent=5)
            self._reasons(_own(candidate), indent=7, items=len(candidate["results"]))

    def _retrieve(self, candidate: Answer) -> None:
        for kind in ("report", "images"):
            if address := (candidate.get("retrieve") or {}).get(kind):
                # not wrapped: an address must stay one piece to be opened
                self.console.print(Text(f"   {self._word(kind)}: {plain(address)}", "dim"), soft_wrap=True)

    def _savings(self, savings: Answer) -> None:
        parts = []
        if savings["amount"]:
            parts.append(f"{self._word('savings')} {savings['currency']} {savings['amount']:.2f}")
        if savings["doseMSv"]:
            parts.append(f"{self._word('dose')} {savings['doseMSv']:g} mSv")
        if parts:
            self.console.print()
            self._print(Text("  ".join(parts), "green"), indent=1)

    def _age(self, candidate: Answer, result: Answer | None = None) -> str:
        """How old the exam is; of a result that was not performed with the rest of its report, the day."""
        performed = candidate.get("performedAt")
        if result is not None and (own := result.get("performedAt", performed)) != performed:
            return plain(own)[:10] or "?"
        hours = candidate.get("ageHours")
        return plain(candidate.get("performedAt")) or "?" if hours is None else age_in_words(hours, self.lang)

    def _source(self, candidate: Answer, result: Answer | None = None) -> str:
        parts = (plain(candidate.get("institutionName")), self._age(candidate, result), plain(candidate.get("mark")))
        return "  ".join(filter(None, parts))

    def _name(self, item: str) -> str:
        known = self.catalogue.items.get(item) or self.catalogue.panels.get(item)
        if known is None:
            return plain(item)
        return known.name_zh if self.lang == "zh" else known.name_en

    def _word(self, key: str) -> str:
        return WORDS[key][self.lang == "en"]

    def _print(self, what: Text | Table, indent: int) -> None:
        self.console.print(Padding(what, (0, 0, 0, indent), expand=False))


def _result_of(candidate: Answer, item: str) -> Answer | None:
    return next((one for one in candidate["results"] if one["item"] == item), None)


def _own(candidate: Answer) -> list[Answer]:
    """All reasons of a candidate: its own and those of its results."""
    return [*candidate["reasons"], *(reason for one in candidate["results"] for reason in one["reasons"])]


def _key(reason: Answer) -> tuple[str, str | None, str]:
    return reason["code"], reason.get("item"), reason["text"]["en"]
