"""What rows of the network file may not say together: the same thing twice, or two things of one subject."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence

from service.domain.catalogue import Catalogue, Item
from service.domain.network import Breadth, Institution, Network, WindowOverride
from service.domain.times import Duration
from service.reference.toml_rows import Row, show

_Keys = Callable[[Row], Iterable[tuple[Hashable, Hashable]]]


def check_repetition(rows: Mapping[str, Sequence[Row]]) -> None:
    """Notes ids that stand twice, and rows of one subject that contradict each other."""
    for table, key in (("region", "code"), ("cluster", "id"), ("alliance", "id"), ("institution", "id")):
        _unique(rows[table], key)
    _unique(rows["institution"], "uscc")
    _unique(rows["repeat_reason"], "code")
    _agree(rows["direction"], "allowed", _direction_keys)
    _agree(rows["method"], "method", lambda row: _item_keys(row, "institution", "method"))
    _agree(
        rows["price"],
        "amount",
        lambda row: [((row.values.get("institution"), row.values.get("item")), row.values.get("amount"))],
    )
    _agree(rows["window"], "window", lambda row: _item_keys(row, "for", "window"))


def _direction_keys(row: Row) -> Iterator[tuple[Hashable, Hashable]]:
    values = row.values
    yield (values.get("issuer_level"), values.get("requester_level"), values.get("scope")), values.get("allowed")


def _item_keys(row: Row, subject: str, said: str) -> Iterator[tuple[Hashable, Hashable]]:
    items = row.values.get("items")
    for item in items if isinstance(items, list) else ():
        yield (row.values.get(subject), str(item)), row.values.get(said)


def _unique(rows: Sequence[Row], key: str) -> None:
    first: dict[str, Row] = {}
    for row in rows:
        value = row.values.get(key)
        other = first.setdefault(value, row) if isinstance(value, str) else row
        if other is not row:
            row.fault(key, f"stands already in {row.table}[{other.number}]; each {row.table} has its own {key}")


def _agree(rows: Sequence[Row], key: str, keys: _Keys) -> None:
    """Notes rows that say another `key` of the same subject than an earlier one."""
    first: dict[Hashable, tuple[Hashable, Row]] = {}
    for row in rows:
        for subject, said in keys(row):
            try:
                before, other = first.setdefault(subject, (said, row))
            except TypeError:  # a list where a text belongs; noted already
                continue
            if before != said:
                row.fault(
                    key, f"contradicts {row.table}[{other.number}], which says {show(before)}; keep one of the two"
                )
                break


def check_methods(rows: Sequence[Row], catalogue: Catalogue) -> None:
    """Notes an item that two panels of one institution give different platforms, without a row of its own.

    Whichever were taken, "same platform" could be wrong, and values that do not compare would be offered.
    """
    own = {(row.values["institution"], name) for row in rows for name in row.values["items"]}
    first: dict[tuple[str, str], tuple[str, Row]] = {}
    for row in rows:
        institution, method = row.values["institution"], row.values["method"]
        panels = [name for name in row.values["items"] if name in catalogue.panels]
        for item in _expand(panels, catalogue):
            before, other = first.setdefault((institution, item.id), (method, row))
            if before != method and (institution, item.id) not in own:
                row.fault(
                    "method", f"{item.id} is also in a panel of method[{other.number}] ({before}); name it itself"
                )
                break


def check_tightening(rows: Sequence[Row], network: Network, catalogue: Catalogue) -> None:
    """Notes windows of one institution that are longer than what otherwise applies to it (contract, section 2)."""
    shared = [row for row in network.windows if row.scope is None or row.scope.kind != "institution"]
    for row, window in zip(rows, network.windows, strict=True):
        if window.scope is None or window.scope.kind != "institution":
            continue
        institution = network.institution_by_id[window.scope.ref]
        for item in _expand(window.items, catalogue):
            allowed = _otherwise(item, institution, shared, network, catalogue)
            if _length(window.window) > _length(allowed):
                row.fault(
                    "window",
                    f"an institution may only tighten; without this {item.id} has {allowed.text} there: write no more",
                )
                break


def _expand(names: Iterable[str], catalogue: Catalogue) -> Iterator[Item]:
    for name in names:
        panel = catalogue.panels.get(name)
        yield from (catalogue.items[one] for one in (panel.members if panel else (name,)))


def _otherwise(
    item: Item, institution: Institution, shared: Sequence[WindowOverride], network: Network, catalogue: Catalogue
) -> Duration:
    """The item's window at the institution without its own row: the narrowest override, else the catalogue's."""
    named = set(catalogue.names_of(item.id))
    covering = [row for row in shared if not named.isdisjoint(row.items) and network.covers(row.scope, institution)]
    if not covering:
        return item.window

    def rank(row: WindowOverride) -> tuple[int, bool, float]:
        breadth = Breadth.NATIONAL if row.scope is None else row.scope.breadth
        return -breadth, item.id not in row.items, _length(row.window)

    return min(covering, key=rank).window


def _length(window: Duration) -> float:
    """Seconds, a month counted as a twelfth of a year: enough to compare two windows."""
    return window.months * 30.44 * 86_400 + window.span.total_seconds()
