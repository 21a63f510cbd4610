"""A decision (contract, section 4) as a person reads it on a terminal, in Chinese or English.

Nothing is judged here: headline, table and reasons are what the answer says. Every colour has a word or symbol
beside it. Texts come from other hospitals, so they are shown as plain text: no markup, no control characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from service.domain.catalogue import Catalogue

_STYLES = {
    "reusable": ("✔", "bold green"), "partial": ("◐", "bold yellow"), "review": ("?", "bold yellow"),
    "not-reusable": ("✘", "bold red"), "no-result": ("○", "bold"), "repeat": ("↻", "bold red"),
}  # fmt: skip

_WORDS = {
    "reusable": ("可互认", "reusable"),
    "partial": ("部分可互认", "partly reusable"),
    "review": ("待医师判断", "your judgement"),
    "not-reusable": ("不可互认", "not reusable"),
    "no-result": ("无可用结果", "no result"),
    "repeat": ("需重复", "repeat"),
    "item": ("项目", "Item"),
    "value": ("结果", "Result"),
    "range": ("参考范围", "Range"),
    "flag": ("提示", "Flag"),
    "age": ("时间", "Performed"),
    "issuer": ("医院", "Hospital"),
    "mark": ("互认标识", "Mark"),
    "verdict": ("结论", "Verdict"),
    "others": ("其他既往结果", "Other earlier results"),
    "unknown": ("从未做过", "nothing is known"),
    "images": ("影像", "Images"),
    "report": ("报告", "Report"),
    "seen": ("见报告", "see report"),
    "savings": ("可节省", "Saves"),
    "dose": ("避免辐射约", "avoids about"),
    "reported": ("原报告", "reported"),
    "confirmed": ("患者身份已确认", "patient confirmed"),
    "probable": ("疑似同一患者，未确认", "probably the same patient, not confirmed"),
    "conflict": ("患者身份信息矛盾", "the patient's identifiers contradict each other"),
    "unknown-patient": ("没有该患者的记录", "no record of this patient"),
}

_SEVERITY_STYLES = {"block": "red", "review": "yellow", "info": "dim"}

_FEW = 3  # more items than this are not named one by one when it is all of them

_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

Answer = Mapping[str, Any]


def render_decision(answer: Answer, lang: str, console: Console, catalogue: Catalogue) -> None:
    """Prints the decision. `answer` is the JSON of `POST /api/v1/match`, `lang` is `zh` or `en`; items that the
    catalogue does not know are shown by their id."""
    _View(lang, console, catalogue).show(answer)


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
        symbol, style = _STYLES[order["decision"]]
        headline = Text(f"{symbol} {self._word(order['decision'])}  ", style)
        headline.append(_plain(order["summary"][self.lang]), "bold")
        self.console.print()
        self._print(headline, indent=1)
        # where nothing is known a table would only list the order's members again
        rows = list(self._rows(order)) if order["candidates"] or order["decision"] != "no-result" else []
        if rows:
            self._print(self._table(rows), indent=3)
        used = {reuse["candidate"] for reuse in order["reuse"]}
        elsewhere = {_key(one) for n, each in enumerate(order["candidates"]) if n not in used for one in _own(each)}
        self._reasons(one for one in order["reasons"] if _key(one) not in elsewhere)
        self._others(order, used)

    def _rows(self, order: Answer) -> Iterator[list[Text]]:
        candidates = order["candidates"]
        for reuse in order["reuse"]:
            candidate = candidates[reuse["candidate"]]
            yield self._row(reuse["item"], reuse["decision"], candidate, _result_of(candidate, reuse["item"]))
        for repeat in order["repeat"]:
            # what is known of an item that must be repeated is shown too: the clinician sees why
            found = next((one for one in candidates if _result_of(one, repeat["item"])), None)
            yield self._row(repeat["item"], "repeat", found, _result_of(found, repeat["item"]) if found else None)

    def _row(self, item: str, verdict: str, candidate: Answer | None, result: Answer | None) -> list[Text]:
        symbol, style = _STYLES[verdict]
        dim = "dim" if verdict == "repeat" else ""
        flag = (result or {}).get("interpretation") or ""
        if candidate is None:
            known = [Text(self._word("unknown"), "dim"), Text(), Text(), Text(), Text(), Text()]
        else:
            known = [
                Text(self._value(candidate, result), dim or "bold"),
                Text(_plain((result or {}).get("referenceRange")), "dim"),
                Text(_plain(flag), "bold red" if flag not in ("", "N") else "dim"),
                Text(self._age(candidate), dim),
                Text(_plain(candidate.get("institutionName")), dim),
                Text(_plain((result or candidate).get("mark")), dim or "cyan"),
            ]
        return [Text(self._name(item)), *known, Text(f"{symbol} {self._word(verdict)}", style)]

    def _value(self, candidate: Answer, result: Answer | None) -> str:
        if result is None or result.get("value") is None:
            reported = (result or {}).get("reported") or {}
            if reported.get("value") is not None:
                text = _plain(" ".join(filter(None, (reported["value"], reported.get("unit")))))
                return f"{text} ({self._word('reported')})"
            return self._word("seen") if candidate.get("kind") == "imaging" and candidate.get("report") else "—"
        return f"{_digits_of(result)} {_unit(result.get('unit'))}".rstrip()

    def _table(self, rows: Iterable[list[Text]]) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        for column in ("item", "value", "range", "flag", "age", "issuer", "mark", "verdict"):
            table.add_column(self._word(column), justify="right" if column == "value" else "left", overflow="fold")
        for row in rows:
            table.add_row(*row)
        return table

    def _reasons(self, reasons: Iterable[Answer], indent: int = 3, items: int = 0) -> None:
        """Each reason once; what several items share stands on one line. `items` is how many there are in all."""
        shared: dict[tuple[str, str, str], list[str]] = {}
        for reason in reasons:
            key = (reason["severity"], reason["text"][self.lang], reason["code"])
            names = shared.setdefault(key, [])
            if reason.get("item") and self._name(reason["item"]) not in names:
                names.append(self._name(reason["item"]))
        for (severity, text, code), names in shared.items():
            line = Text("· ", _SEVERITY_STYLES.get(severity, ""))
            if len(names) > _FEW and len(names) == items:
                line.append(f"全部 {items} 项: " if self.lang == "zh" else f"all {items} items: ")
            elif names:
                line.append(("、" if self.lang == "zh" else ", ").join(names) + ": ")
            line.append(_plain(text), _SEVERITY_STYLES.get(severity, "")).append(f"  [{code}]", "dim")
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
            symbol, style = _STYLES[candidate["verdict"]]
            head = Text(f"{symbol} ", style)
            parts = (_plain(candidate.get("institutionName")), self._age(candidate), _plain(candidate.get("mark")))
            head.append("  ".join(filter(None, parts)))
            self._print(head, indent=5)
            self._reasons(_own(candidate), indent=7, items=len(candidate["results"]))

    def _retrieve(self, candidate: Answer) -> None:
        for kind in ("report", "images"):
            if address := (candidate.get("retrieve") or {}).get(kind):
                self._print(Text(f"{self._word(kind)}: {_plain(address)}", "dim", overflow="fold"), indent=3)

    def _savings(self, savings: Answer) -> None:
        parts = []
        if savings["amount"]:
            parts.append(f"{self._word('savings')} {savings['currency']} {savings['amount']:.2f}")
        if savings["doseMSv"]:
            parts.append(f"{self._word('dose')} {savings['doseMSv']:g} mSv")
        if parts:
            self.console.print()
            self._print(Text("  ".join(parts), "green"), indent=1)

    def _age(self, candidate: Answer) -> str:
        hours = candidate.get("ageHours")
        if hours is None:
            return _plain(candidate.get("performedAt")) or "?"
        if hours < 0:
            return "申请之后" if self.lang == "zh" else "after the order"
        count, zh, en = (int(hours // 24), "天", "day") if hours >= 48 else (int(hours), "小时", "hour")
        if self.lang == "zh":
            return f"{count} {zh}前" if hours >= 1 else "不到 1 小时前"
        return f"{count} {en}{'' if count == 1 else 's'} ago" if hours >= 1 else "less than an hour ago"

    def _name(self, item: str) -> str:
        known = self.catalogue.items.get(item) or self.catalogue.panels.get(item)
        if known is None:
            return _plain(item)
        return known.name_zh if self.lang == "zh" else known.name_en

    def _word(self, key: str) -> str:
        return _WORDS[key][self.lang == "en"]

    def _print(self, what: Text | Table, indent: int) -> None:
        self.console.print(Padding(what, (0, 0, 0, indent), expand=False))


def _result_of(candidate: Answer, item: str) -> Answer | None:
    return next((one for one in candidate["results"] if one["item"] == item), None)


def _own(candidate: Answer) -> list[Answer]:
    """All reasons of a candidate: its own and those of its results."""
    return [*candidate["reasons"], *(reason for one in candidate["results"] for reason in one["reasons"])]


def _key(reason: Answer) -> tuple[str, str | None, str]:
    return reason["code"], reason.get("item"), reason["text"]["en"]


def _digits_of(result: Answer) -> str:
    """The value; with the digits that were reported (6.30) where the number is the same."""
    value, reported = _plain(result["value"]), _plain((result.get("reported") or {}).get("value"))
    try:
        return reported if float(reported) == float(value) else value
    except ValueError:
        return value


def _unit(unit: object) -> str:
    """A UCUM unit as it is printed: `10*9/L` is 10⁹/L, `m[IU]/L` is mIU/L, an annotation is left out."""
    text = re.sub(r"\{[^}]*\}|[\[\]]", "", _plain(unit))
    return re.sub(r"10\*(\d+)", lambda power: "10" + power[1].translate(_SUPERSCRIPT), text)


def _plain(text: object) -> str:
    """Without control characters: an escape sequence in a report must not reach the terminal."""
    return "".join(ch if ch.isprintable() else " " for ch in str(text)) if text is not None else ""
