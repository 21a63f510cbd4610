"""Every binary column is known to stand under a key, or to need none."""

from __future__ import annotations

from sqlalchemy import LargeBinary

from service.registry.rotation.holdings import HOLDINGS, PLAIN
from service.registry.tables import metadata

BINARY = {
    f"{table.name}.{column.name}"
    for table in metadata.sorted_tables
    for column in table.columns
    if isinstance(column.type, LargeBinary)
}
LISTED = [f"{one.table.name}.{column.column}" for one in HOLDINGS for column in (*one.tokens, *one.seals)]
IN_BOTH = {"resource.sha256"}  # sealed where the resource is a patient


def test_every_binary_column_is_listed_once() -> None:
    assert sorted(LISTED) == sorted(set(LISTED))
    assert set(LISTED) | set(PLAIN) == BINARY
    assert set(LISTED) & set(PLAIN) == IN_BOTH


def test_rows_are_gone_through_by_a_whole_key() -> None:
    for one in HOLDINGS:
        key = {column.name for column in one.table.primary_key}
        assert set(one.order) == key, one.table.name


def test_every_token_is_of_a_column_named_for_it() -> None:
    named = {one for one in BINARY if one.endswith(("token", "digest", "who"))}
    assert named == {f"{one.table.name}.{token.column}" for one in HOLDINGS for token in one.tokens}
