"""The network file (contract, section 2): all or nothing, every mistake with its place and how to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar
from zoneinfo import ZoneInfo, available_timezones

from service.domain.catalogue import Catalogue
from service.domain.codes import is_gb_region, is_uscc
from service.domain.network import (
    Alliance,
    Certificate,
    Cluster,
    Direction,
    Institution,
    Method,
    Network,
    Policy,
    Price,
    Region,
    Scope,
    WindowOverride,
)
from service.reference.network_checks import check_methods, check_repetition, check_tightening
from service.reference.network_names import NetworkNames
from service.reference.toml_rows import Row, TomlFile, suggest

REPEAT_REASONS = (
    "condition-changed", "changes-fast", "critical-to-care", "emergency", "legal-assessment", "qualified-lab-required",
    "quality-doubt", "physician-judgement", "other", "images-not-available", "serial-monitoring", "patient-request",
)  # fmt: skip
"""Reasons for repeating (contract, section 4) that a region's own codes map onto."""

_SINGLE = ("network", "policy")
_MANY = (
    "region", "cluster", "alliance", "institution", "certificate", "direction", "method", "price", "window",
    "repeat_reason",
)  # fmt: skip
_ID = re.compile(r"[a-z0-9-]{1,64}")
_T = TypeVar("_T")


def read_network(text: str, catalogue: Catalogue, file_name: str = "network.toml") -> Network:
    """The network that a TOML text describes; item lists stay as written.

    Raises InvalidInput with every mistake: its place (`network.toml:17 certificate[3].scope`, tables counted from
    1), the value, what was expected and how to mend it. Nothing of a file with a mistake is used.
    """
    file = TomlFile(text, file_name)
    file.check_names(_SINGLE, _MANY)
    name, timezone = _read_head(file)
    rows = {table: file.many(table) for table in _MANY}
    names = NetworkNames.of(rows, catalogue)
    network = Network(
        name=name,
        timezone=timezone,
        regions=_all(_region(row) for row in rows["region"]),
        clusters=_all(_cluster(row) for row in rows["cluster"]),
        alliances=_all(_alliance(row) for row in rows["alliance"]),
        institutions=_all(_institution(row, names) for row in rows["institution"]),
        certificates=_all(_certificate(row, names) for row in rows["certificate"]),
        directions=_all(_direction(row, names) for row in rows["direction"]),
        methods=_all(_method(row, names) for row in rows["method"]),
        prices=_all(_price(row, names) for row in rows["price"]),
        windows=_all(_window(row, names) for row in rows["window"]),
        policy=_read_policy(file),
        repeat_reasons=_all(_repeat_reason(row) for row in rows["repeat_reason"]),
    )
    check_repetition(rows)
    file.raise_faults()
    check_methods(rows["method"], catalogue)  # these two ask what was read, so that must be whole
    check_tightening(rows["window"], network, catalogue)
    file.raise_faults()
    return network


def _all(made: Iterable[_T | None]) -> tuple[_T, ...]:
    return tuple(one for one in made if one is not None)


def _read_head(file: TomlFile) -> tuple[str, str]:
    row = file.one("network")
    if row is None:
        if "network" not in file.values:
            file.add(file.name, "[network] is missing; it gives the network's name and timezone")
        return "", "UTC"
    row.check_keys(("name", "timezone"), ("name", "timezone"))
    timezone = row.text("timezone") or "UTC"
    try:
        ZoneInfo(timezone)
    except (ValueError, OSError, KeyError):
        row.fault("timezone", f"unknown IANA time zone{suggest(timezone, available_timezones())}")
        timezone = "UTC"
    return row.text("name") or "", timezone


def _read_policy(file: TomlFile) -> Policy:
    row = file.one("policy")
    default = Policy()
    if row is None:
        return default
    row.check_keys(("window_from", "lookback"), ())
    window_from = row.text("window_from") or default.window_from
    if window_from not in ("performed", "issued"):
        row.fault("window_from", 'expected "performed" or "issued"')
    return Policy(window_from, row.duration("lookback") or default.lookback)


def _gb_region(row: Row, key: str) -> str | None:
    text = row.text(key)
    if text is not None and not is_gb_region(text):
        row.fault(key, 'expected the six digits of a GB/T 2260 code in quotes, such as "220200"')
        return None
    return text


def _id(row: Row) -> str | None:
    text = row.text("id")
    if text is not None and not _ID.fullmatch(text):
        row.fault("id", "expected at most 64 of a-z, 0-9 and -, such as 'jl-central'")
        return None
    return text


def _region(row: Row) -> Region | None:
    row.check_keys(("code", "name", "mark"), ("code", "name"))
    code, name, mark = _gb_region(row, "code"), row.text("name"), row.text("mark")
    return Region(code, name, mark) if code and name else None


def _cluster(row: Row) -> Cluster | None:
    row.check_keys(("id", "name", "regions", "mark"), ("id", "name"))
    own, name, mark, regions = _id(row), row.text("name"), row.text("mark"), row.texts("regions")
    for code in regions:
        if not is_gb_region(code):
            row.fault("regions", f"{code!r} is no GB/T 2260 code; expected six digits, such as '220200'")
    return Cluster(own, name, regions, mark) if own and name else None


def _alliance(row: Row) -> Alliance | None:
    row.check_keys(("id", "name", "mark"), ("id", "name"))
    own, name, mark = _id(row), row.text("name"), row.text("mark")
    return Alliance(own, name, mark) if own and name else None


def _institution(row: Row, names: NetworkNames) -> Institution | None:
    row.check_keys(("id", "name", "region", "uscc", "level", "grade", "alliances"), ("id", "name", "region"))
    own, name, region, uscc = _id(row), row.text("name"), _gb_region(row, "region"), row.text("uscc")
    if uscc is not None and not is_uscc(uscc):
        mend = "write it in capitals" if is_uscc(uscc.upper()) else "compare it with the registration certificate"
        row.fault("uscc", f"no 统一社会信用代码: 18 characters whose last checks the others (GB 32100); {mend}")
    level, grade, alliances = row.whole("level", 1, 3), row.text("grade"), row.texts("alliances")
    for alliance in alliances:
        names.check_known(row, "alliances", "alliance", alliance)
    return Institution(own, name, region, uscc, level, grade, alliances) if own and name and region else None


def _certificate(row: Row, names: NetworkNames) -> Certificate | None:
    keys = ("institution", "items", "scope", "valid_from", "valid_to")
    row.check_keys((*keys, "evidence"), keys)
    institution, items = names.institution(row), names.items(row, star=True)
    scope = names.scope(row, "scope", ("national", "region", "cluster", "alliance"))
    first, last, evidence = row.day("valid_from"), row.day("valid_to"), row.text("evidence")
    if first and last and first > last:
        row.fault("valid_to", f"before valid_from ({first}); the last day is inclusive and not before the first")
    if not (institution and items and scope and first and last):
        return None
    return Certificate(institution, items, scope, first, last, evidence or "")


def _direction(row: Row, names: NetworkNames) -> Direction | None:
    keys = ("issuer_level", "requester_level", "allowed")
    row.check_keys((*keys, "scope"), keys)
    issuer, requester = row.whole("issuer_level", 1, 3), row.whole("requester_level", 1, 3)
    allowed, scope = row.flag("allowed"), names.scope(row, "scope", ("national", "region", "cluster", "alliance"))
    return Direction(issuer, requester, allowed, scope) if issuer and requester and allowed is not None else None


def _method(row: Row, names: NetworkNames) -> Method | None:
    row.check_keys(("institution", "items", "method"), ("institution", "items", "method"))
    institution, items, method = names.institution(row), names.items(row), row.text("method")
    return Method(institution, items, method) if institution and items and method else None


def _price(row: Row, names: NetworkNames) -> Price | None:
    row.check_keys(("institution", "item", "amount"), ("institution", "item", "amount"))
    institution, item, amount = names.institution(row), names.item(row), row.amount("amount")
    return Price(institution, item, amount) if institution and item and amount is not None else None


def _window(row: Row, names: NetworkNames) -> WindowOverride | None:
    row.check_keys(("items", "window", "for"), ("items", "window"))
    items, window = names.items(row), row.duration("window")
    scope: Scope | None = names.scope(row, "for", ("region", "alliance", "institution"))
    return WindowOverride(items, window, scope) if items and window else None


def _repeat_reason(row: Row, known: Sequence[str] = REPEAT_REASONS) -> tuple[str, str] | None:
    row.check_keys(("code", "maps_to"), ("code", "maps_to"))
    code, maps_to = row.text("code"), row.text("maps_to")
    if maps_to is not None and maps_to not in known:
        row.fault("maps_to", f"no reason for repeating{suggest(maps_to, known)}; expected one of {', '.join(known)}")
    if code in known and maps_to in known and code != maps_to:
        row.fault("code", "is one of our own codes and keeps its meaning; give the region's code")
    return (code, maps_to) if code and maps_to else None
