"""What a person sees of a decision on a terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from service.cli.match_view import render_decision
from service.domain.catalogue import Catalogue, Item, Panel
from service.domain.times import Duration

WEEK = Duration.parse("P7D")
CATALOGUE = Catalogue(
    "v1",
    {
        "718-7": Item("718-7", "lab", "血红蛋白", "Hemoglobin", WEEK, unit="g/L"),
        "777-3": Item("777-3", "lab", "血小板计数", "Platelets", WEEK, unit="10*9/L"),
        "CT.CHEST": Item("CT.CHEST", "imaging", "胸部CT平扫", "CT chest WO contrast", WEEK),
    },
    {"58410-2": Panel("58410-2", "血常规", "CBC", ("718-7", "777-3"))},
)


def reason(code: str, severity: str = "block", item: str | None = None, zh: str = "已超出时限") -> dict[str, Any]:
    return {"code": code, "severity": severity, "item": item, "text": {"zh": zh, "en": f"in English: {code}"}}


def result(item: str, value: object, unit: str | None, *reasons: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "item": item, "value": value, "unit": unit, "reported": {"value": str(value), "unit": unit},
        "reasons": [*reasons],
        "interpretation": "N", "referenceRange": "115-150", "mark": "全国HR", "verdict": "reusable", **more,
    }  # fmt: skip


def candidate(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "report": "DiagnosticReport/1", "institution": "a", "institutionName": "长河市中心医院", "mark": "全国HR",
        "performedAt": "2026-11-11T08:00:00+08:00", "ageHours": 266.0, "windowHours": 336, "verdict": "reusable",
        "reasons": [], "results": [*results], "retrieve": {"report": "https://t/api/v1/reports/1", "images": None},
        **more,
    }  # fmt: skip


def order(decision: str, **more: Any) -> dict[str, Any]:
    summary = {"zh": f"总结 {decision}", "en": f"summary {decision}"}
    return {"id": "o1", "decision": decision, "summary": summary, "reuse": [], "repeat": [], "reasons": [],
            "candidates": [], **more}  # fmt: skip


def answer(*orders: dict[str, Any], match: str = "confirmed", amount: float = 0.0, dose: float = 0.0) -> dict[str, Any]:
    return {"patient": {"match": match}, "orders": [*orders],
            "savings": {"amount": amount, "currency": "CNY", "doseMSv": dose}}  # fmt: skip


def shown(given: dict[str, Any], lang: str = "zh", *, color: bool = False, width: int = 160) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=color, color_system="standard" if color else None)
    render_decision(given, lang, console, CATALOGUE)
    return out.getvalue()


PARTIAL = order(
    "partial",
    reuse=[{"item": "718-7", "decision": "reusable", "candidate": 0}],
    repeat=[{"item": "777-3", "reasons": ["outside-window"]}],
    reasons=[reason("outside-window", item="777-3")],
    candidates=[candidate(
        result("718-7", 132, "g/L"), result("777-3", 96, "10*9/L", reason("outside-window", item="777-3")),
    )],
)  # fmt: skip


def line_with(text: str, word: str) -> str:
    return next(line for line in text.splitlines() if word in line)


def test_partial_order_shows_what_to_keep_and_what_to_repeat() -> None:
    text = shown(answer(PARTIAL, amount=15.0, dose=6.5))
    kept, repeated = line_with(text, "132 g/L"), line_with(text, "96 10⁹/L")
    for word in ("血红蛋白", "115-150", "11 天前", "长河市中心医院", "全国HR", "✔ 可互认"):
        assert word in kept
    assert "血小板计数" in repeated
    assert "↻ 需重复" in repeated
    assert "血小板计数: 已超出时限  [outside-window]" in text
    assert "可节省 CNY 15.00" in text
    assert "避免辐射约 6.5 mSv" in text


@pytest.mark.parametrize(("value", "reported", "unit", "text"), [
    (31, "31.0", "pg", "31.0 pg"), (132, "13.2", "g/L", "132 g/L"), (1.1, "1.10", "{INR}", "1.10"),
    (2.5, "2.5", "m[IU]/L", "2.5 mIU/L"), (88, "88", "umol/L", "88 μmol/L"), (1, "1", "U/L", "1 U/L"),
    ("<0.5", "<0.5", "10*12/L", "<0.5 10¹²/L"), ("阴性", "阴性", None, "阴性"),
])  # fmt: skip
def test_value_keeps_reported_digits_and_prints_its_unit(value: object, reported: str, unit: str, text: str) -> None:
    given = result("718-7", value, unit, reported={"value": reported, "unit": unit}, referenceRange="R")
    line = line_with(shown(answer(order("reusable", reuse=[{"item": "718-7", "decision": "reusable", "candidate": 0}],
                                        candidates=[candidate(given)]))), "血红蛋白")  # fmt: skip
    assert f" {text}  R " in line


def test_reason_shared_by_all_items_of_a_candidate_names_their_number_only() -> None:
    many = [result(f"{n}", 1, "g/L", reason("out-of-scope", item=f"{n}")) for n in range(5)]
    text = shown(answer(order("not-reusable", candidates=[candidate(*many, verdict="not-reusable")])))
    assert "· 全部 5 项: 已超出时限  [out-of-scope]" in text


def test_reason_of_the_order_is_not_repeated_below_its_candidate() -> None:
    assert shown(answer(PARTIAL)).count("[outside-window]") == 1


def test_reason_of_what_is_taken_is_told_though_a_candidate_not_taken_has_it_too() -> None:
    missing = reason("report-missing", "review", "CT.CHEST", "只有影像，没有报告")
    taken, other = (candidate(result("CT.CHEST", None, None, missing), verdict="review") for _ in range(2))
    given = order("review", reuse=[{"item": "CT.CHEST", "decision": "review", "candidate": 0}], reasons=[missing],
                  candidates=[taken, other])  # fmt: skip
    before, _, after = shown(answer(given)).partition("其他既往结果")
    assert "[report-missing]" in before
    assert "[report-missing]" in after


def test_english_names_ages_and_reasons() -> None:
    text = shown(answer(PARTIAL), "en")
    assert "11 days ago" in line_with(text, "Hemoglobin")
    assert "Platelets: in English: outside-window" in text
    assert not any("\u4e00" <= ch <= "\u9fff" for ch in text.replace("长河市中心医院", "").replace("全国HR", ""))


@pytest.mark.parametrize("decision", ["reusable", "partial", "review", "not-reusable", "no-result"])
def test_every_decision_reads_without_colour(decision: str) -> None:
    symbols = {"reusable": "✔", "partial": "◐", "review": "?", "not-reusable": "✘", "no-result": "○"}
    line = line_with(shown(answer(order(decision))), f"总结 {decision}")
    assert line.strip().startswith(symbols[decision])


def test_colour_is_used_on_a_terminal_only() -> None:
    assert "\x1b[" in shown(answer(PARTIAL), color=True)
    assert "\x1b[" not in shown(answer(PARTIAL))


def test_blocked_candidate_is_listed_with_its_reasons() -> None:
    blocked = candidate(result("718-7", 120, "g/L", reason("out-of-scope", item="718-7", zh="范围不包括本机构")),
                        institutionName="清溪县人民医院", verdict="not-reusable", ageHours=3.0)  # fmt: skip
    text = shown(answer(order("not-reusable", candidates=[blocked])))
    assert "✘ 清溪县人民医院  3 小时前" in text
    assert "范围不包括本机构  [out-of-scope]" in text


def test_unconvertible_value_is_shown_as_reported() -> None:
    odd = result(
        "718-7", None, None, reason("unit-unknown", "review", "718-7"), reported={"value": "6.30", "unit": "mg%"}
    )
    text = shown(answer(order("review", reuse=[{"item": "718-7", "decision": "review", "candidate": 0}],
                              candidates=[candidate(odd)])))  # fmt: skip
    assert "6.30 mg% (原报告)" in text
    assert "[unit-unknown]" in text


def test_undisclosed_result_shows_no_value() -> None:
    hidden = result("718-7", None, None, reported=None, interpretation=None, referenceRange=None)
    text = shown(answer(order("review", reuse=[{"item": "718-7", "decision": "review", "candidate": 0}],
                              candidates=[candidate(hidden, report=None, retrieve={"report": None, "images": None})]),
                        match="probable"))  # fmt: skip
    assert "疑似同一患者" in text
    assert "—" in line_with(text, "血红蛋白")
    assert "报告:" not in text


def test_image_address_is_shown() -> None:
    exam = candidate(result("CT.CHEST", None, None, reported={"value": None, "unit": None}), kind="imaging",
                     retrieve={"report": None, "images": "https://pacs/studies/1.2"})  # fmt: skip
    text = shown(answer(order("reusable", reuse=[{"item": "CT.CHEST", "decision": "reusable", "candidate": 0}],
                              candidates=[exam])))  # fmt: skip
    assert "影像: https://pacs/studies/1.2" in text
    assert "见报告" in line_with(text, "胸部CT平扫")


def test_unknown_item_never_performed_is_named_by_its_id() -> None:
    line = line_with(shown(answer(order("partial", repeat=[{"item": "9999-1", "reasons": []}]))), "9999-1")
    assert "未查到结果" in line


@pytest.mark.parametrize(("hours", "zh", "en"), [
    (0.2, "不到 1 小时前", "less than an hour ago"), (1.5, "1 小时前", "1 hour ago"),
    (47.9, "47 小时前", "47 hours ago"),
    (48, "2 天前", "2 days ago"), (-3, "申请之后", "after the order"),
])  # fmt: skip
def test_age_in_words(hours: float, zh: str, en: str) -> None:
    old = answer(order("reusable", reuse=[{"item": "718-7", "decision": "reusable", "candidate": 0}],
                       candidates=[candidate(result("718-7", 132, "g/L"), ageHours=hours)]))  # fmt: skip
    assert zh in shown(old)
    assert en in shown(old, "en")


def test_age_of_a_month_only_date_is_the_date_itself() -> None:
    old = candidate(result("718-7", 132, "g/L"), ageHours=None, performedAt="2026-10", verdict="not-reusable")
    assert "2026-10" in shown(answer(order("not-reusable", candidates=[old])))


def test_markup_and_escape_sequences_in_a_report_stay_text() -> None:
    evil = candidate(result("718-7", "[red]x[/red]\x1b[2J", None), institutionName="[bold]医院")
    text = shown(answer(order("reusable", reuse=[{"item": "718-7", "decision": "reusable", "candidate": 0}],
                              candidates=[evil])), color=True)  # fmt: skip
    assert "[red]x[/red]" in text
    assert "[bold]医院" in text
    assert "\x1b[2J" not in text


def test_order_of_which_nothing_is_known_is_one_line() -> None:
    text = shown(answer(order("no-result", repeat=[{"item": "718-7", "reasons": []}])))
    assert "血红蛋白" not in text
    assert text.strip().splitlines()[-1].strip() == "○ 无可用结果  总结 no-result"


def test_narrow_terminal_has_the_sources_below_the_table() -> None:
    text = shown(answer(PARTIAL), "en", width=80)
    assert "长河市中心医院" not in line_with(text, "132 g/L")
    assert "✔ reusable" in line_with(text, "132 g/L")
    assert "From 1: 长河市中心医院  11 days ago  全国HR" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_result_performed_apart_from_its_report_tells_its_own_day() -> None:
    exam = candidate(
        result("718-7", 132, "g/L"), result("777-3", 96, "10*9/L", performedAt="2026-10-02T08:00:00+08:00")
    )
    given = answer(order("partial", repeat=[{"item": "777-3", "reasons": []}], candidates=[exam]))
    for width in (160, 80):
        assert "11 天前" not in line_with(shown(given, width=width), "96 10⁹/L")
        assert "2026-10-02" in shown(given, width=width)
