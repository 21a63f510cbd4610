"""The table of `testonce sources`, in both languages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta, tzinfo
from typing import TYPE_CHECKING, Any

import typer

from service.cli.console import open_console
from service.cli.match_words import plain

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from service.pulling.health import SourceHealth

_STATES = {
    "disabled": ("已停用", "disabled", "dim"), "needs-attention": ("需人工处理", "needs attention", "bold red"),
    "failing": ("失败，将重试", "failing", "red"), "running": ("运行中", "running", "cyan"),
    "never": ("从未拉取", "never pulled", "yellow"), "silent": ("无新数据", "silent", "bold yellow"),
    "waiting": ("待拉取", "waiting", ""), "ok": ("正常", "ok", "green"),
}  # fmt: skip
_WORDS = {
    "source": ("来源", "source"), "institution": ("机构", "institution"), "kind": ("类型", "kind"),
    "state": ("状态", "state"), "lag": ("数据滞后", "lag"), "since": ("完整拉取", "complete"),
    "due": ("下次", "due"), "reachable": ("可达", "reachable"), "today": ("今日新收", "new today"),
    "dead": ("死信", "dead"), "waiting": ("待读取", "unread"), "yes": ("是", "yes"), "no": ("否", "no"),
    "day": ("日期", "day"), "received": ("收到", "received"), "new": ("新增", "new"), "updated": ("更新", "updated"),
    "rejected": ("拒收", "rejected"), "deleted": ("删除", "deleted"), "now": ("现在", "now"),
    "none": ("未配置任何来源 [[source]]，见 docs/sources.md", "no [[source]] is configured; see docs/sources.md"),
    "mend": ("死信列表：testonce rejected list", "dead letters: testonce rejected list"),
}  # fmt: skip
_SETTINGS = ("source", "institution", "kind")
_STATE = ("state", "lag", "since", "due", "reachable", "dead", "waiting")
_NO_LIMIT = 10_000
_BY_DAY = ("received", "new", "updated", "rejected", "deleted")


def render(found: Sequence[SourceHealth], lang: str, zone: tzinfo) -> None:
    """Prints every source, its last days, and what there is to look at."""
    from rich.text import Text

    said = _Words(lang)
    if not found:
        typer.echo(said("none"))
        return
    console = open_console()
    table = _table(found, said, (*_SETTINGS, *_STATE))
    if console.measure(table, options=console.options.update(width=_NO_LIMIT)).maximum > console.width:
        table = _table(found, said, ("source", *_STATE))  # words are not broken: the settings have the rest
    console.print(table)
    if any(one.days for one in found):
        console.print(_days(found, said))
    for line in (line for one in found for line in _remarks(one, lang, zone)):
        console.print(Text(line), soft_wrap=True)
    if any(one.dead_letters for one in found):
        console.print(said("mend"))


class _Words:
    def __init__(self, lang: str) -> None:
        self.lang = lang

    def __call__(self, key: str) -> str:
        zh, en = _WORDS[key]
        return zh if self.lang == "zh" else en

    def span(self, length: timedelta | None) -> str:
        from service.pulling.health import span

        return "-" if length is None else span(length, self.lang)


def _table(found: Sequence[SourceHealth], said: _Words, columns: Sequence[str]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for title in columns:
        table.add_column(said(title), justify="right" if title in ("dead", "waiting") else "left", overflow="fold")
    for one in found:
        cells = _cells(one, said)
        table.add_row(*(cells[title] for title in columns))
    return table


def _cells(one: SourceHealth, said: _Words) -> dict[str, str | Text]:
    from rich.text import Text

    known = one.known
    reachable = known.is_reachable if known else None
    due = "-"
    if one.due_in is not None:
        due = said.span(one.due_in) if one.due_in > timedelta(0) else said("now")
    zh, en, style = _STATES[one.state.value]
    return {
        "source": one.settings.name,
        "institution": one.settings.institution,
        "kind": one.settings.kind,
        "state": Text(zh if said.lang == "zh" else en, style=style),
        "lag": said.span(one.lag),
        "since": said.span(one.since_complete),
        "due": due,
        "reachable": "-" if reachable is None else said("yes" if reachable else "no"),
        "dead": str(one.dead_letters),
        "waiting": str(one.waiting),
    }


def _days(found: Sequence[SourceHealth], said: _Words) -> object:
    """The counts of the last days, the newest first."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, title_justify="left")
    table.add_column(said("source"), overflow="fold")
    table.add_column(said("day"))
    for title in _BY_DAY:
        table.add_column(said(title), justify="right")
    for one in found:
        for day, counts in sorted(one.days.items(), reverse=True):
            table.add_row(one.settings.name, day, *(str(counts.get(name, 0)) for name in _BY_DAY))
    return table


def _remarks(one: SourceHealth, lang: str, zone: tzinfo) -> Iterator[str]:
    """What is wrong and since when, then the warnings."""
    from service.registry.columns import from_us

    known, name = one.known, one.settings.name
    if known is not None and known.error_code:
        at = from_us(known.failed_at or 0).astimezone(zone).isoformat(" ", "minutes")
        zh = f"✘ {name} {known.error_code}（{at}，连续失败 {known.failures} 次）：{plain(known.error)}"
        en = f"✘ {name} {known.error_code} (at {at}, {known.failures} in a row): {plain(known.error)}"
        yield zh if lang == "zh" else en
    if one.retrieval is not None:
        yield f"· {name} {_opened(one.retrieval, lang)}"
    for warn in one.warnings:
        yield f"! {name} {warn.kind}: {plain(warn.zh if lang == 'zh' else warn.en)}"


def _opened(times: Mapping[str, Any], lang: str) -> str:
    """How long studies took to open in the last day."""
    clocks = {"firstImage": ("首图", "first image"), "keySeries": ("关键序列", "key series"),
              "complete": ("全部", "complete")}  # fmt: skip
    found = [
        f"{zh if lang == 'zh' else en} {times[key]['p50']} / {times[key]['p95']} s"
        for key, (zh, en) in clocks.items()
        if key in times
    ]
    if lang == "zh":
        return f"近一日调阅 {times['count']} 次{'（p50 / p95）：' if found else ''}{'，'.join(found)}"
    return f"{times['count']} studies opened in the last day{' (p50 / p95): ' if found else ''}{', '.join(found)}"
