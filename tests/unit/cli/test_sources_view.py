"""The table of `testonce sources` in both languages."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from service.cli.sources_view import render
from service.pulling.health import SourceHealth, State, Warn
from service.registry.columns import to_us
from service.registry.source_states import SourceState
from tests.support.pulled import settings_of

AT = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
FAILED = SourceState(
    source="city-memory", institution="city-hospital", kind="memory", watermark=None, lease_owner=None,
    lease_until=None, started_at=to_us(AT), finished_at=None, received_at=None, due_at=None, failures=3,
    failed_at=to_us(AT), error_class="fatal", error_code="unauthorised", error="401\x1b[31m; renew the secret",
    warning=None, reached_at=to_us(AT), unreached_at=None,
)  # fmt: skip
HEALTH = SourceHealth(
    settings_of(), State.NEEDS_ATTENTION, FAILED, lag=timedelta(hours=30), due_in=timedelta(minutes=-5),
    days={"2026-11-21": {"received": 7, "new": 5}}, dead_letters=2, waiting=1,
    warnings=(Warn("silent", "没有新记录", "nothing new"),),
    retrieval={"count": 4, "outcomes": {"given": 4}, "bytes": 1, "firstImage": {"count": 4, "p50": 0.4, "p95": 1.5}},
)  # fmt: skip


def shown(health: list[SourceHealth], lang: str, capsys: pytest.CaptureFixture[str]) -> str:
    render(health, lang, UTC)
    return capsys.readouterr().out


@pytest.mark.parametrize(("lang", "words"), [
    ("en", ["needs attention", "30 h", "now", "yes", "2026-11-21", "silent: nothing new",
            "unauthorised (at 2026-11-22 01:00+00:00, 3 in a row)", "first image 0.4 / 1.5 s",
            "dead letters: testonce rejected list"]),
    ("zh", ["需人工处理", "30 小时", "现在", "是", "连续失败 3 次", "silent: 没有新记录", "首图 0.4 / 1.5 s",
            "死信列表"]),
])  # fmt: skip
def test_a_source_with_everything_to_tell(lang: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    page = shown([HEALTH], lang, capsys)
    assert [one for one in words if one not in page] == []
    assert "\x1b" not in page


def test_a_source_never_pulled_has_dashes_and_no_remarks(capsys: pytest.CaptureFixture[str]) -> None:
    never = replace(SourceHealth(settings_of(), State.NEVER, None))
    lines = shown([never], "en", capsys).splitlines()
    assert len(lines) == 2
    assert lines[1].split()[3:] == ["never", "pulled", "-", "-", "-", "-", "0", "0"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_no_word_is_broken_in_eighty_columns(
    lang: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    one = replace(HEALTH, settings=settings_of(name="county-hospital-pacs", institution="county-hospital"), days={})
    first, second, *_ = shown([one, one], lang, capsys).splitlines()[1:]
    assert first == second
    assert first.split()[0] == "county-hospital-pacs"


def test_no_source_is_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert "docs/sources.md" in shown([], "zh", capsys)
