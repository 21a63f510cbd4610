"""What `testonce source check` shows, in both languages; patients are masked."""

from __future__ import annotations

from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

from service.cli.console import open_console
from service.cli.match_words import plain

if TYPE_CHECKING:
    from service.pulling.readiness import Checked

_STYLES = {"ok": ("✔", "green"), "warning": ("!", "yellow"), "problem": ("✘", "bold red")}
_OUTCOMES = {"new": "新增", "updated": "更新", "unchanged": "未变", "ignored": "忽略", "rejected": "拒收"}
_SHOWN_CODES = 20


def render(found: Checked, lang: str, zone: tzinfo, report: Path | None) -> None:
    """Findings, what the source says of itself, the converted sample, what is not known, and the verdict."""
    from rich.table import Table
    from rich.text import Text

    from service.ingest.counts import OUTCOMES
    from service.pulling.readiness import SAMPLE
    from service.pulling.readiness_report import report_row, verdict

    zh = lang == "zh"
    console = open_console()
    table = Table(box=None, pad_edge=False, show_header=False)
    for one in found.findings:
        mark, style = _STYLES[one.level.value]
        table.add_row(Text(mark, style=style), one.name, Text(plain(one.text)))
    console.print(table)
    if found.software:
        console.print(Text(f"{'系统' if zh else 'software'}: {plain(found.software)}"))
    for key, value in found.capabilities.items():
        text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        console.print(Text(f"{plain(key)}: {plain(text)[:300]}"))
    if found.sampled:
        counts = ", ".join(
            f"{_OUTCOMES.get(one, one)} {found.counts.total(one)}" if zh else f"{found.counts.total(one)} {one}"
            for one in OUTCOMES
        )
        stored = "未入库" if zh else "nothing was stored"
        console.print(Text(f"{'样本' if zh else 'sample'}: {found.sampled} ({counts}; {stored})"))
    sample = Table(box=None, pad_edge=False)
    for title in ("报告 患者 状态 时间 内容" if zh else "report patient status performed content").split():
        sample.add_column(title, overflow="fold")
    for shown, _ in found.seen.reports[:SAMPLE]:
        cells = report_row(shown, found.seen.patients.get(shown.patient_key), zone)
        sample.add_row(*(Text(plain(cell)) for cell in cells))
    if found.seen.reports:
        console.print(sample)
    for title, unknown in (
        ("未识别编码" if zh else "unknown code", found.codes),
        ("未识别单位" if zh else "unknown unit", found.units),
    ):
        for (first, second), n in unknown.most_common(_SHOWN_CODES):
            console.print(Text(f"{title}: {plain(first)} {plain(second)} ×{n}"))
    if report is not None:
        console.print(Text(f"{'报告' if zh else 'report'}: {report}"))
    console.print(Text(f"{found.source}: {verdict(found)[0 if zh else 1]}", style="bold"))
