"""Fixtures that tests of several rooms share, and the order of tests."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.support.databases", "tests.support.serving"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The fast tests go first, whatever their random order: a mistake shows within seconds."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is not None)
