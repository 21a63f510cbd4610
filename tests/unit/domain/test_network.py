"""Scopes, marks and certificates of a network."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from service.domain.network import (
    Alliance,
    Breadth,
    Certificate,
    Cluster,
    Institution,
    Network,
    Region,
    Scope,
)

COUNTY = Institution("county", "县医院", "220281", alliances=("a1",))


def certificate(scope: str = "national", items: tuple[str, ...] = ("718-7",)) -> Certificate:
    return Certificate("city", items, Scope.parse(scope), date(2026, 1, 1), date(2026, 12, 31))


NETWORK = Network(
    "测试", "Asia/Shanghai",
    regions=(Region("220200", "吉林市"), Region("210300", "鞍山市", "鞍山HRT")),
    clusters=(Cluster("jjj", "京津冀", ("110000", "120000")), Cluster("ne", "东北", ("210000", "220200"))),
    alliances=(Alliance("a1", "医联体一"),),
    institutions=(COUNTY,),
    certificates=(certificate(), certificate("alliance:a1", ("*",))),
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "breadth"),
    [
        ("national", Breadth.NATIONAL), ("cluster:jjj", Breadth.CLUSTER), ("region:220000", Breadth.PROVINCE),
        ("region:220200", Breadth.CITY), ("region:220281", Breadth.COUNTY), ("alliance:a1", Breadth.ALLIANCE),
        ("institution:x", Breadth.INSTITUTION),
    ],
)  # fmt: skip
def test_scope_is_read_and_written_alike(text: str, breadth: Breadth):
    scope = Scope.parse(text)
    assert (str(scope), scope.breadth) == (text, breadth)


@pytest.mark.parametrize("text", ["", "National", "national:", "region", "region:", "planet:earth", ":220000"])
def test_what_is_no_scope_is_refused(text: str):
    with pytest.raises(ValueError, match="not a scope"):
        Scope.parse(text)


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        ("national", True), ("region:220000", True), ("region:220200", True), ("region:220202", False),
        ("cluster:ne", True), ("cluster:jjj", False), ("cluster:nobody", False), ("alliance:a1", True),
        ("alliance:a2", False), ("institution:county", True), ("institution:city", False),
    ],
)  # fmt: skip
def test_scope_covers_an_institution_by_region_cluster_or_alliance(text: str, covered: bool):
    assert NETWORK.covers(Scope.parse(text), COUNTY) is covered
    assert NETWORK.covers(Scope.parse(text), None) is False


def test_no_scope_covers_everyone():
    assert NETWORK.covers(None, None)


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("national", "全国HR"), ("region:220200", "吉林市HR"), ("region:210300", "鞍山HRT"),
        ("cluster:jjj", "京津冀HR"),
        ("alliance:a1", "医联体一HR"), ("region:220281", "220281HR"),
    ],
)  # fmt: skip
def test_mark_is_its_own_or_the_name_with_hr(text: str, mark: str):
    assert NETWORK.mark(Scope.parse(text)) == mark


def test_certificate_days_count_in_the_network_s_zone_and_the_last_is_inclusive():
    ((begins, ends, _),) = NETWORK.certificates_of("city", ["718-7"])[:1]
    assert begins == datetime(2025, 12, 31, 16, tzinfo=UTC)
    assert ends == datetime(2026, 12, 31, 16, tzinfo=UTC)


def test_certificate_without_an_end_reaches_the_end_of_the_calendar():
    endless = Certificate("city", ("*",), Scope("national"), date(2026, 1, 1), date.max)
    ((_, ends, _),) = Network("测试", "Asia/Shanghai", certificates=(endless,)).certificates_of("city", ["718-7"])
    assert ends == datetime.max.replace(tzinfo=UTC)


def test_certificate_names_the_item_or_everything():
    assert [str(one.scope) for _, _, one in NETWORK.certificates_of("city", ["718-7"])] == ["national", "alliance:a1"]
    assert [str(one.scope) for _, _, one in NETWORK.certificates_of("city", ["777-3"])] == ["alliance:a1"]
    assert NETWORK.certificates_of("county", ["718-7"]) == []


@pytest.mark.parametrize("at", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_ends_of_the_calendar_are_told_in_utc(at: datetime):
    west = Network("test", "America/New_York")
    told = {network.local_time(at) for network in (west, NETWORK)}
    assert told == {at}
