"""Fixtures that tests of several rooms share, and the order of tests."""

from __future__ import annotations

import os

import pytest

for _name in [one for one in os.environ if one.startswith("TESTONCE_")]:
    del os.environ[_name]  # tests work on installations of their own, never on that of whoever runs them
for _name in ("COLUMNS", "LINES"):
    os.environ.pop(_name, None)  # tables are as wide as where nobody looks; pytest-xdist sets them

pytest_plugins = [
    "tests.support.databases",
    "tests.support.orthanc",
    "tests.support.serving",
    "tests.support.imaging_world",
    "tests.support.installed",  # after those it imports: pytest must see each of them first
]


_DATABASES = {"sqlite_url", "database_url"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The fast tests, those without a server or a database, go first, whatever their random order: a mistake shows
    within seconds."""
    for item in items:
        if isinstance(item, pytest.Function) and _DATABASES & set(item.fixturenames):
            item.add_marker("slow")
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
