"""`testonce source check`, `testonce replay` and `testonce doctor` on configured sources."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.audit.events import Action
from service.ingest.source import FHIR_JSON, Fatal, Finding, Level, RawRecord, Readiness
from service.registry.database import Database
from service.registry.tables import document, patient_record, report
from tests.support import pulled
from tests.support.installed import SETTINGS, Installation

pytestmark = pytest.mark.slow


def local(number: int, **more: Any) -> RawRecord:
    """A result under a code that nobody knows, or with other changes."""
    body = json.loads(pulled.glucose(number).body) | more
    return RawRecord(f"Observation/o{number}", FHIR_JSON, json.dumps(body).encode())


def answering(*sample: RawRecord, findings: tuple[Finding, ...] = ()) -> Callable[[], Readiness]:
    """A `check` that gives this sample."""
    return lambda: Readiness(
        (Finding("search", Level.OK, "_lastUpdated is supported"), *findings),
        "HAPI 7.2 | beta", {"resources": ["Patient", "Observation"]}, sample,
    )  # fmt: skip


def stored(installed: Installation) -> int:
    database = Database.open(installed.url)
    with database.read() as conn:
        found = sum(len(conn.execute(one.select()).all()) for one in (document, report, patient_record))
    database.close()
    return found


UNKNOWN = {"code": {"coding": [{"system": "urn:city:lab", "code": "GLU|X", "display": "血糖"}]}}
ODD_UNIT = {"valueQuantity": {"value": 5.6, "unit": "drops"}}


def test_a_sample_is_converted_shown_masked_and_not_stored(
    installed: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sample = [*pulled.everything(1), pulled.patient(1), local(1, **UNKNOWN), pulled.report(1), pulled.patient(2),
              local(2, **ODD_UNIT), pulled.report(2)]  # fmt: skip
    monkeypatch.setattr(installed.city, "check", answering(*sample))
    status, told, _ = installed.run("source", "check", "city-memory", "--report", str(tmp_path / "r.md"))
    assert status == 0, told
    assert "city-memory: ready" in told
    assert "14749-6 → 14749-6 (5.60 mmol/L)" in told
    assert "unknown code: urn:city:lab GLU|X ×1" in told
    assert "unknown unit: 14749-6 drops ×1" in told
    assert stored(installed) == 0
    page = (tmp_path / "r.md").read_text("utf-8")
    assert stat.S_IMODE((tmp_path / "r.md").stat().st_mode) == 0o600
    assert "**可以接入 ready**" in page
    assert "| urn:city:lab | GLU\\|X | 1 |" in page
    assert "HAPI 7.2 \\| beta" in page
    assert "李\\*" in page
    for text in (page, told):
        assert not [one for one in ("李0", "李1", "李2", "C0", "1949") if one in text]
    ((subject, detail),) = installed.entries(Action.SOURCE_CHECKED)
    assert (subject, detail) == ("Source/city-memory", {"ready": True, "sampled": 9})


def test_in_chinese_where_asked(installed: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed.city, "check", answering(*pulled.everything(1)))
    status, told, _ = installed.run("source", "check", "city-memory", "--lang", "zh")
    assert (status, "city-memory: 可以接入" in told, "未入库" in told, "拒收 0" in told) == (0, True, True, True)


@pytest.mark.parametrize(("more", "said"), [
    ({"findings": (Finding("search", Level.PROBLEM, "no _lastUpdated"),)}, "no _lastUpdated"),
    ({"sample": RawRecord("Observation/x", FHIR_JSON, b"{")}, "cannot be used"),
])  # fmt: skip
def test_what_forbids_pulling_is_said_and_ends_in_status_1(
    installed: Installation, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], said: str
) -> None:
    sample = more.get("sample")
    monkeypatch.setattr(
        installed.city, "check", answering(*([sample] if sample else []), findings=more.get("findings", ()))
    )
    status, told, _ = installed.run("source", "check", "city-memory")
    assert (status, "not ready" in told, said in told) == (1, True, True)


def test_a_source_that_does_not_answer_or_breaks_is_not_ready(
    installed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise Fatal("unauthorised", "401; renew the secret")

    def break_down() -> Readiness:
        raise ValueError("李敏")

    monkeypatch.setattr(installed.city, "probe", refuse)
    status, told, _ = installed.run("source", "check", "city-memory")
    assert (status, "unauthorised" in told, installed.city.opened - installed.city.closed) == (1, True, 0)
    monkeypatch.setattr(installed.county, "check", break_down)
    status, told, _ = installed.run("source", "check", "county-memory")
    assert (status, "ValueError" in told, "李" in told) == (1, True, False)


def test_settings_that_cannot_be_used_are_told_before_anything_is_asked(installed: Installation) -> None:
    installed.configure(
        SETTINGS.replace('institution = "city-hospital"', 'institution = "cty-hospital"\nca_file = "none.pem"')
        + '[source.credentials]\nkind = "basic"\n[source.credentials.secrets]\npassword = { env = "NO_SUCH_SECRET" }\n'
    )
    status, told, _ = installed.run("source", "check", "city-memory")
    assert (status, "'cty-hospital' is not in the network" in told, "none.pem" in told) == (1, True, True)
    assert "it answers" not in told
    status, told, _ = installed.run("doctor")
    assert status == 1
    assert "PROBLEM  source city-memory" in told
    assert "PROBLEM  source county-memory" in told
    assert "NO_SUCH_SECRET" in told


def test_doctor_asks_no_source_unless_told_to(installed: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def probe() -> None:
        asked.append(1)
        raise Fatal("unreachable", "no route to 127.0.0.1:9")

    monkeypatch.setattr(installed.city, "probe", probe)
    _, told, _ = installed.run("doctor")
    assert ("ok       source city-memory: memory of city-hospital" in told, asked) == (True, [])
    status, told, _ = installed.run("doctor", "--probe")
    assert (status, "unreachable: no route to 127.0.0.1:9" in told, asked) == (1, True, [1])
    assert "source county-memory: other of county-hospital, answers" in told


def test_replay_shows_what_would_change_then_changes_it_and_is_audited(installed: Installation, tmp_path: Path) -> None:
    installed.city.log[:] = [pulled.patient(0), local(0, **UNKNOWN), pulled.report(0)]
    assert installed.run("pull", "city-memory")[0] == 0
    profile = (
        '[profile]\nversion = "1"\nauthor = "x"\n[[code]]\nsystem = "urn:city:lab"\ncode = "GLU|X"\nloinc = "14749-6"'
    )
    (tmp_path / "x.toml").write_text(profile)
    installed.configure(SETTINGS.replace('kind = "memory"', 'kind = "memory"\nmapping = "x.toml"'))
    span = ("--source", "city-memory", "--from", "2020-01-01", "--to", "2099-12-31")
    status, told, _ = installed.run("replay", *span, "--dry-run")
    assert status == 0
    assert "1 document would be read again (nothing was changed)" in told
    assert "reports: 0 new, 1 updated, 0 unchanged, 0 retired" in told
    assert installed.entries(Action.SOURCE_REPLAYED) == []
    status, told, _ = installed.run("replay", *span)
    assert (status, "1 updated" in told) == (0, True)
    assert "0 new, 0 updated, 1 unchanged" in installed.run("replay", *span)[1]
    assert [detail["updated"] for _, detail in installed.entries(Action.SOURCE_REPLAYED)] == [1, 0]


@pytest.mark.parametrize(("first", "last", "option"), [
    ("yesterday", "2026-11-22", "--from"), ("2026-11-22", "2026-13-01", "--to"), ("2026-11-22", "2026-11-20", "--to"),
])  # fmt: skip
def test_a_span_that_cannot_be_read_names_the_option(
    installed: Installation, first: str, last: str, option: str
) -> None:
    status, _, err = installed.run("replay", "--source", "city-memory", "--from", first, "--to", last)
    assert (status, f"  {option}: " in err) == (2, True)
