"""What the network file may name: its own institutions, alliances and clusters, and the catalogue's items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from service.domain.catalogue import Catalogue
from service.domain.codes import LOINC, is_gb_region
from service.domain.network import Scope
from service.reference.toml_rows import Row, suggest

_EXAMPLES = {
    "national": "national",
    "region": "region:220200",
    "cluster": "cluster:ID",
    "alliance": "alliance:ID",
    "institution": "institution:ID",
}


@dataclass(frozen=True)
class NetworkNames:
    """Ids that are declared anywhere in the file, so that the order of its tables does not matter."""

    catalogue: Catalogue
    declared: Mapping[str, frozenset[str]]
    _good_items: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    _suggested: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Mapping[str, Sequence[Row]], catalogue: Catalogue) -> NetworkNames:
        """The names declared in these tables."""
        return cls(catalogue, {table: _ids(rows[table]) for table in ("institution", "alliance", "cluster")})

    def check_known(self, row: Row, key: str, table: str, name: str) -> bool:
        """Whether an institution, alliance or cluster of that id is declared; notes it at `key` when not."""
        if name in self.declared[table]:
            return True
        row.fault(
            key,
            f"no {table} has the id {name!r}{self._near(table, name)}; declare it with [[{table}]] or correct the id",
        )
        return False

    def institution(self, row: Row) -> str | None:
        """The row's institution."""
        text = row.text("institution")
        return text if text is not None and self.check_known(row, "institution", "institution", text) else None

    def item(self, row: Row) -> str | None:
        """The row's one item or panel, by its id."""
        text = row.text("item")
        return self._id_of(row, "item", text) if text is not None else None

    def items(self, row: Row, star: bool = False) -> tuple[str, ...]:
        """The row's items and panels, by their ids; `*` where it may stand for all."""
        found = row.texts("items")
        if star and found == ("*",):
            return found
        if found in self._good_items:
            return self._good_items[found]
        if not found and row.values.get("items") == []:
            row.fault("items", "is empty; name items or panels" + (', or write ["*"] for all' if star else ""))
        known = [self._id_of(row, "items", one, star and len(found) > 1) for one in found]
        if None in known:
            return ()
        self._good_items[found] = ids = tuple(one for one in known if one is not None)
        return ids

    def _id_of(self, row: Row, key: str, name: str, alone: bool = False) -> str | None:
        """The id of an item or panel that is named by it, or by a LOINC code that means the same (2160-0 is the
        14682-9 in mg/dL); None and a fault at `key` when there is none."""
        known = self.catalogue
        if name in known.items or name in known.panels:
            return name
        if (owner := known.find_id(LOINC, name)) is not None:
            return owner
        if name == "*":
            mend = '"*" stands alone: ["*"]' if alone else '"*" is for certificates only; name items or panels'
        else:
            mend = (
                f"no item or panel has the id {name!r}{self._near('item', name)}; `testonce catalogue show` lists them"
            )
        row.fault(key, mend)
        return None

    def _near(self, table: str, name: str) -> str:
        """A suggestion; none after many, for looking for one among thousands of ids takes milliseconds."""
        if (table, name) not in self._suggested and len(self._suggested) < 200:
            known = self.declared[table] if table != "item" else [*self.catalogue.items, *self.catalogue.panels]
            self._suggested[table, name] = suggest(name, known)
        return self._suggested.get((table, name), "")

    def scope(self, row: Row, key: str, kinds: Sequence[str]) -> Scope | None:
        """A scope of one of `kinds`, whose region has a code's form and whose other names are declared."""
        text = row.text(key)
        if text is None:
            return None
        try:
            scope = Scope.parse(text)
        except ValueError:
            scope = Scope("")
        if scope.kind not in kinds or (scope.kind == "national" and scope.ref):
            row.fault(key, f"expected {' or '.join(_EXAMPLES[kind] for kind in kinds)}")
        elif scope.kind == "region" and not is_gb_region(scope.ref):
            row.fault(key, "after region: expected the six digits of a GB/T 2260 code, such as region:220200")
        elif scope.kind not in self.declared or self.check_known(row, key, scope.kind, scope.ref):
            return scope
        return None


def _ids(rows: Iterable[Row]) -> frozenset[str]:
    return frozenset(one for row in rows if isinstance(one := row.values.get("id"), str))
