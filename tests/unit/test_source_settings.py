"""`[[source]]`: what is taken, what is refused and where, and when a source may be pulled."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from service.domain.errors import InvalidInput, Unavailable
from service.pulling.configured import choose, resolve
from service.settings import Settings, load_settings
from service.source_settings import SourceSettings

ZONE = ZoneInfo("Asia/Shanghai")
WHOLE = """
[[source]]
name = "city-fhir"
kind = "fhir"
institution = "city-hospital"
address = "https://fhir.example/r4"
every = "PT10M"
hours = "22:00-06:00"
timezone = "Asia/Urumqi"
[source.credentials]
kind = "basic"
[source.credentials.secrets]
username = {env = "CITY_USER"}
password = {file = "FOLDER/password"}
[source.limits]
requests_per_second = 5
[source.options]
types = ["Patient"]
"""


def load(folder: Path, text: str) -> Settings:
    file = folder / "t.toml"
    file.write_text(text.replace("FOLDER", str(folder)), "utf-8")
    return load_settings(file)


def test_a_source_is_read_and_its_secrets_come_from_where_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text("s3cret\n", "utf-8")
    monkeypatch.setenv("CITY_USER", "testonce")
    (source,) = load(tmp_path, WHOLE).source
    config = resolve(source, ZONE)
    assert (source.every, config.limits.requests_per_second, config.zone) == (
        timedelta(minutes=10), 5, ZoneInfo("Asia/Urumqi"),
    )  # fmt: skip
    assert config.secrets == {"username": "testonce", "password": "s3cret"}
    assert "s3cret" not in repr(config)


def test_an_absent_secret_is_named_by_its_place(tmp_path: Path) -> None:
    (source,) = load(tmp_path, WHOLE).source
    with pytest.raises(Unavailable, match="environment variable CITY_USER"):
        resolve(source, ZONE)


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ('"https://fhir.example/r4"', '"ftp://x"', "source[0]", "starts with http://"),
        ('"https://fhir.example/r4"', '"https://u:p@x/"', "source[0]", "without user"),
        ('"https://fhir.example/r4"', '"dicom://x:104"', "source[0]", "dicom://AET@host:port"),
        ('"PT10M"', '"10 min"', "source[0].every", "not an ISO 8601 duration"),
        ('"22:00-06:00"', '"25:00-06:00"', "source[0].hours", "hours of the day"),
        ('"Asia/Urumqi"', '"Mars"', "source[0].timezone", "no time zone"),
        ('{env = "CITY_USER"}', '{env = "A", file = "b"}', "source[0].credentials.secrets.username", "expected one of"),
        ('{env = "CITY_USER"}', '"plain"', "source[0].credentials.secrets.username", "dictionary"),
        ('kind = "fhir"', 'kind = "fhir"\nkindd = 1', "source[0].kindd", "not permitted"),
        (
            "requests_per_second = 5",
            "requests_per_second = 0",
            "source[0].limits.requests_per_second",
            "greater than 0",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, old: str, new: str, place: str, words: str) -> None:
    assert old in WHOLE
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, WHOLE.replace(old, new, 1))
    (fault,) = caught.value.faults
    assert fault.pointer.endswith(place)
    assert words in fault.message


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, WHOLE + WHOLE)
    assert "two sources are named city-fhir" in caught.value.faults[0].message


def made(**more: object) -> SourceSettings:
    given = {"name": "s", "kind": "fhir", "institution": "city", "address": "http://x/", **more}
    return SourceSettings.model_validate(given)


@pytest.mark.parametrize(
    ("hours", "at", "may"),
    [
        (None, "12:00", True), ("08:00-18:00", "08:00", True), ("08:00-18:00", "18:00", False),
        ("22:00-06:00", "23:30", True), ("22:00-06:00", "05:59", True), ("22:00-06:00", "12:00", False),
        ("18:00-24:00", "23:59", True), ("18:00-24:00", "00:00", False),
    ],
)  # fmt: skip
def test_hours_in_which_it_may_be_pulled(hours: str | None, at: str, may: bool) -> None:
    assert made(hours=hours).may_run(datetime.fromisoformat(f"2026-11-22T{at}:00+08:00")) is may


def test_sources_are_chosen_by_name_or_all_that_are_enabled() -> None:
    on, off = made(name="on"), made(name="off", enabled=False)
    assert choose([on, off], []) == [on]
    assert choose([on, off], ["off"]) == [off]
    with pytest.raises(InvalidInput) as caught:
        choose([on, off], ["of"])
    assert "known are on, off" in caught.value.faults[0].message
