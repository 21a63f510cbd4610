"""The page of the network file is held against the reader of network files."""

from __future__ import annotations

import re
from pathlib import Path

from service.reference import network_file
from service.reference.catalogue_file import package_catalogue
from service.reference.network_file import read_network

PAGE = (Path(__file__).parents[2] / "docs" / "network.md").read_text("utf-8")
EXAMPLE = PAGE.split("```toml\n", 1)[1].split("```", 1)[0]


def test_example_of_the_page_is_a_network() -> None:
    network = read_network(EXAMPLE, package_catalogue())
    assert [one.id for one in network.institutions] == ["lj-central", "lj-county"]
    assert network.certificates
    assert network.directions


def test_page_has_every_table_and_key_of_the_reader() -> None:
    rows = {name: line for line in PAGE.splitlines() for name in re.findall(r"^\| `\[+(\w+)\]+`", line)}
    assert set(rows) == {*network_file._SINGLE, *network_file._MANY}
    source = Path(network_file.__file__).read_text("utf-8")
    keys = set(re.findall(r'row\.(?:text|texts|whole|flag|day|duration|amount)\("(\w+)"', source))
    assert {"mark", "uscc", "lookback", "maps_to"} <= keys
    assert [key for key in sorted(keys) if not any(f"`{key}`" in line for line in rows.values())] == []
