"""The adapter on the page for who writes one works: it passes the suite that every adapter passes."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

from tests.contract.adapter_suite import conformance
from tests.contract.world import World

PAGE = Path(__file__).parents[2] / "docs" / "writing-an-adapter.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def _module(name: str, source: str) -> ModuleType:
    module = ModuleType(name)
    sys.modules[name] = module  # msgspec looks up annotations there
    exec(compile(source, f"{PAGE.name}: {name}", "exec"), module.__dict__)
    return module


ADAPTER = _module("adapter_of_the_page", BLOCKS[0])
WORLD = _module("world_of_the_page", BLOCKS[1])
assert issubclass(WORLD.ChangeFeedWorld, World)
WORLD.ChangeFeedWorld.open_source = staticmethod(ADAPTER.open_source)
assert "conformance(ChangeFeedWorld)" in BLOCKS[2]

TestChangeFeed = conformance(WORLD.ChangeFeedWorld)
