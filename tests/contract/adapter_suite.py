"""The tests that every adapter passes: alone, and through the machinery that stores what it gives.

    TestFhir = conformance(FhirWorld)

See docs/writing-an-adapter.md. The questions are grouped: `alone.py` (the port), `broken.py` (lines that break, and
what leaks), `stored.py` (through pulling into a registry).
"""

from __future__ import annotations

import pytest

from tests.contract.alone import Alone
from tests.contract.asking import needed
from tests.contract.broken import Broken
from tests.contract.stored import Stored
from tests.contract.world import World, number_of, records_of

__all__ = ["World", "conformance", "number_of", "records_of"]


def conformance(world: type[World]) -> type:
    """The test class of an adapter, from the world it pulls from; without the questions about what such a system cannot
    do at all, as the world says with the reason."""
    parts = (Alone, Broken, Stored)
    left_out = {name: None for one in parts for name, test in vars(one).items() if needed(test) in world.cannot}
    given = {"world_type": world, "__module__": world.__module__, "pytestmark": [pytest.mark.slow]}
    return type(f"Test{world.__name__}", parts, given | left_out)
