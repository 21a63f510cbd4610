"""Whatever a caller sends, the answer is a decision or a problem, never an error of ours."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.registry.database import Database
from tests.support.cds import order_sign
from tests.support.serving import World, match_body, serve

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(["718-7", "o1", "L"])
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    """One world for all examples."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/registry.db"
        database = Database.open(url, create=True)
        database.upgrade()
        database.close()
        with serve(Path(folder) / "home", url) as world:
            yield world


@st.composite
def spoiled(draw: st.DrawFn, whole: dict[str, Any]) -> Any:
    """A good body with one or two of its places replaced."""
    body = json.loads(json.dumps(whole))
    for _ in range(draw(st.integers(1, 2))):
        spot, key = None, None
        here: Any = body
        while isinstance(here, dict | list) and here and (spot is None or draw(st.booleans())):
            spot, key = here, draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
            here = here[key]
        if spot is not None:
            spot[key] = draw(JSON)
    return body


RECOGNITION = {"decisionId": "019aa000-0000-7000-8000-000000000000", "orderId": "o1", "action": "repeated",
               "items": ["718-7"], "reasons": ["other"], "note": "x", "patientInformed": True}  # fmt: skip
FEEDBACK = {"feedback": [{"card": "019aa000-0000-7000-8000-000000000000", "outcome": "overridden",
                          "overrideReason": {"reason": {"code": "other"}, "userComment": "x"}}]}  # fmt: skip
CALLS = st.one_of(
    st.tuples(st.just("/api/v1/match"), spoiled(match_body("58410-2", encounter={"class": "AMB", "events": []}))),
    st.tuples(st.just("/api/v1/recognitions"), spoiled(RECOGNITION)),
    st.tuples(st.just("/cds-services/testonce-order-sign"), spoiled(order_sign("58410-2"))),
    st.tuples(st.just("/cds-services/testonce-order-sign/feedback"), spoiled(FEEDBACK)),
)


@pytest.mark.slow
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(call=CALLS)
def test_spoiled_body_is_answered_or_refused_never_5xx(shared: World, call: tuple[str, Any]) -> None:
    path, body = call
    content = json.dumps(body).encode()
    answer = shared.client.post(path, content=content, headers=shared.headers(**{"Content-Type": "application/json"}))
    assert answer.status_code in (200, 201, 400, 404, 409, 412), (body, answer.text)
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=200))
def test_bytes_that_are_no_json_are_refused(shared: World, content: bytes) -> None:
    answer = shared.client.post("/api/v1/match", content=content, headers=shared.headers())
    assert answer.status_code == 400
