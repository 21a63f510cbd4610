"""The catalogue from its CSV files: the one that ships, a stored version, and a version with a file merged in."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib import resources

from service.domain.catalogue import Catalogue, Item, ItemCode, Panel, Region
from service.domain.errors import InvalidInput
from service.reference.catalogue_rows import (
    ADDED_CODE_COLUMNS,
    ADDED_ITEM_COLUMNS,
    CODE_COLUMNS,
    ITEM_COLUMNS,
    PANEL_COLUMNS,
    REGION_COLUMNS,
    code_of,
    item_of,
    panel_of,
    region_of,
)
from service.reference.csv_rows import Faults, Row, read_header, read_rows, write_rows

CatalogueFiles = Mapping[str, str]
"""File name (`items.csv`, `panels.csv`, `codes.csv`, `regions.csv`) to CSV text: how a version is kept."""

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "items.csv": ITEM_COLUMNS,
    "panels.csv": PANEL_COLUMNS,
    "codes.csv": CODE_COLUMNS,
    "regions.csv": REGION_COLUMNS,
}
_OPTIONAL = {"items.csv": ADDED_ITEM_COLUMNS, "codes.csv": ADDED_CODE_COLUMNS}
_KEYS: Mapping[str, Callable[[Row], tuple[str, ...]]] = {
    "items.csv": lambda row: (row["id"],),
    "panels.csv": lambda row: (row["id"],),
    "codes.csv": lambda row: (row["system"], row["code"]),
    "regions.csv": lambda row: (row["id"],),
}
_Rows = dict[str, list[Row]]


@lru_cache(maxsize=1)
def package_files() -> CatalogueFiles:
    """The files of the catalogue that ships with the service."""
    folder = resources.files("service.reference") / "data"
    return {name: (folder / name).read_text(encoding="utf-8") for name in _COLUMNS}


@lru_cache(maxsize=1)
def package_catalogue() -> Catalogue:
    """The catalogue that ships with the service, checked once per process."""
    return read_catalogue(package_files())


def read_catalogue(files: CatalogueFiles) -> Catalogue:
    """The catalogue of these files; its `version` names their content (the first 16 hex digits of a SHA-256).

    Raises InvalidInput with every fault and its place (`items.csv:17 window`): a LOINC check digit that does not
    fit, a unit that is no UCUM, a window that is no duration, unknown members or regions, an id or code used twice.
    """
    faults = Faults()
    rows: _Rows = {}
    for name, columns in _COLUMNS.items():
        if name in files:
            rows[name] = read_rows(files[name], name, _needed(name), columns, faults)
        else:
            faults.add(name, "is missing; a catalogue has " + ", ".join(_COLUMNS))
    return _build(rows, _version_of(files), faults)


def merge_catalogue(files: CatalogueFiles, csv_text: str, file_name: str) -> CatalogueFiles:
    """`files` with the rows of a CSV file added, or replacing those of the same id (of a code: system and code).

    The header says what it holds: items, panels, codes or regions. All or nothing: raises InvalidInput when the file
    or the catalogue it would make has a fault; those of the file are told with its own name and lines.
    """
    faults = Faults()
    target = _target_of(csv_text)
    if target is None:
        forms = "; ".join(f"{name.removesuffix('.csv')}: {','.join(_needed(name))}" for name in _COLUMNS)
        faults.add(f"{file_name}:1", f"the header fits no file of the catalogue; expected one of {forms}")
        raise InvalidInput("the catalogue file cannot be used", faults.found)
    added = read_rows(csv_text, file_name, _needed(target), _COLUMNS[target], faults)
    rows = {name: read_rows(text, name, _needed(name), _COLUMNS[name], faults) for name, text in files.items()}
    key = _KEYS[target]
    _check_unique(added, key, faults)
    known = {key(row): row for row in rows[target]}
    for row in added:
        old = known.get(key(row))
        kept = {c: old[c] for c in _OPTIONAL.get(target, ()) if c not in row.cells} if old else {}
        known[key(row)] = Row(row.file, row.line, {**row.cells, **kept})
    rows[target] = list(known.values())
    merged = {**files, target: write_rows(rows[target], _COLUMNS[target])}
    _build(rows, _version_of(merged), faults)
    return merged


def _needed(name: str) -> tuple[str, ...]:
    return tuple(column for column in _COLUMNS[name] if column not in _OPTIONAL.get(name, ()))


def _target_of(csv_text: str) -> str | None:
    header = set(read_header(csv_text))
    return next((name for name in _COLUMNS if header >= set(_needed(name))), None)


def _version_of(files: CatalogueFiles) -> str:
    digest = hashlib.sha256()
    for name in sorted(files):
        body = files[name].encode()
        digest.update(f"{name}\n{len(body)}\n".encode() + body)
    return digest.hexdigest()[:16]


def _build(rows: Mapping[str, list[Row]], version: str, faults: Faults) -> Catalogue:
    """The catalogue of these rows; raises InvalidInput when anything in them, or noted before, is wrong."""
    for name, own in rows.items():
        _check_unique(own, _KEYS[name], faults)
    codes: defaultdict[str, list[ItemCode]] = defaultdict(list)
    for row in rows.get("codes.csv", ()):
        codes[row["item"]].append(code_of(row, faults))
    regions = {row["id"]: region_of(row, faults) for row in rows.get("regions.csv", ())}
    items = {row["id"]: item_of(row, tuple(codes[row["id"]]), faults) for row in rows.get("items.csv", ())}
    panels = {row["id"]: panel_of(row, tuple(codes[row["id"]]), faults) for row in rows.get("panels.csv", ())}
    _check_references(rows, items, panels, regions, faults)
    if faults.found:
        raise InvalidInput(f"the catalogue has {len(faults.found)} fault(s); nothing was changed", faults.found)
    return Catalogue(version, items, panels, regions)


def _check_unique(rows: Iterable[Row], key: Callable[[Row], tuple[str, ...]], faults: Faults) -> None:
    first: dict[tuple[str, ...], Row] = {}
    for row in rows:
        other = first.setdefault(key(row), row)
        if other is not row:
            faults.add(
                row.place("id" if len(key(row)) == 1 else "code"),
                f"{' '.join(key(row))} stands twice, first at {other.place()}",
            )


def _check_references(
    rows: Mapping[str, list[Row]],
    items: Mapping[str, Item],
    panels: Mapping[str, Panel],
    regions: Mapping[str, Region],
    faults: Faults,
) -> None:
    owner: dict[tuple[str, str], str] = {}
    for row in rows.get("items.csv", ()):
        item = items[row["id"]]
        for region in (item.region, *item.covers) if item.kind == "imaging" else ():
            if region not in regions:
                faults.add(row.place("region"), f"{region!r} is no region of regions.csv")
    for row in rows.get("panels.csv", ()):
        if row["id"] in items:
            faults.add(row.place("id"), f"{row['id']!r} is an item already; a panel needs an id of its own")
        for member in panels[row["id"]].members:
            if member not in items:
                faults.add(row.place("required"), f"the member {member!r} is no item")
    for row in rows.get("codes.csv", ()):
        if row["item"] not in items and row["item"] not in panels:
            faults.add(row.place("item"), f"{row['item']!r} is no item or panel")
    known: list[Item | Panel] = [*items.values(), *panels.values()]
    for one in known:
        for code in one.codes:
            other = owner.setdefault((code.system, code.code), one.id)
            if other != one.id:
                faults.add("codes.csv", f"{code.system} {code.code} names both {other} and {one.id}; it may name one")
    _check_regions(rows.get("regions.csv", ()), regions, faults)


def _check_regions(rows: Iterable[Row], regions: Mapping[str, Region], faults: Faults) -> None:
    owner: dict[tuple[str, str], str] = {}
    for row in rows:
        region = regions[row["id"]]
        for part in region.contains:
            if part not in regions:
                faults.add(row.place("contains"), f"{part!r} is no region of regions.csv")
        for body_site in region.codes:
            other = owner.setdefault((body_site.system, body_site.code), region.id)
            if other != region.id:
                faults.add(row.place("codes"), f"{body_site.code} names both {other} and {region.id}; it may name one")
