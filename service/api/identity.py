"""`/api/v1/identity/…`: who is who, what waits for a decision, and what people decide."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from service.domain.errors import Fault, InvalidInput
from service.edge.body import read_json
from service.edge.parts import Parts
from service.identity.store.rulings import Ruled, Rulings
from service.security.caller import Caller

_BODY = ("a", "b", "why")
Decide = Callable[[Rulings, str, str, str, Caller], Ruled]


async def read_review(parts: Parts, request: Request) -> Response:
    """`GET /api/v1/identity/review?limit&after&institution`."""
    caller, query = _caller(parts, request), request.query_params
    limit = query.get("limit", "100")
    if not re.fullmatch(r"[0-9]{1,6}", limit):
        raise InvalidInput("the page cannot be given", [Fault("limit", "a whole number is expected")])
    ask = parts.inquiries.review
    return _json(await parts.run(ask, caller, int(limit), query.get("after", ""), query.get("institution")))


async def read_explanation(parts: Parts, request: Request) -> Response:
    """`GET /api/v1/identity/explain?a&b&at`."""
    caller, query = _caller(parts, request), request.query_params
    a, b = _given(request, "a", "b")
    return _json(await parts.run(parts.inquiries.explain, a, b, caller, query.get("at")))


async def read_person(parts: Parts, request: Request) -> Response:
    """`GET /api/v1/identity/person?record&at`."""
    caller = _caller(parts, request)
    (record,) = _given(request, "record")
    return _json(await parts.run(parts.inquiries.person, record, caller, request.query_params.get("at")))


def ruling(name: str, decide: Decide) -> Callable[[Parts, Request], Awaitable[Response]]:
    """A call that rules on two records: 201 where that waits for another user, 200 where it is in force."""

    async def rule(parts: Parts, request: Request) -> Response:
        caller = _caller(parts, request)
        body = await read_json(request.scope, request.receive, parts.settings.max_body_bytes)
        ruled = await parts.run(decide, parts.rulings, *read_body(body), caller)
        answer = {"state": ruled.state, "rulings": list(ruled.rulings), "change": ruled.change}
        return _json(answer, 201 if ruled.state == "proposed" else 200)

    rule.__name__ = name
    return rule


link = ruling("link", Rulings.link)
unlink = ruling("unlink", Rulings.unlink)
not_same = ruling("not_same", Rulings.not_same)
withdraw = ruling("withdraw", Rulings.withdraw)


def read_body(body: object) -> tuple[str, str, str]:
    """`a`, `b` and `why` of a body that has them and nothing else; InvalidInput lists what is wrong."""
    if not isinstance(body, dict):
        raise InvalidInput("the ruling cannot be read", [Fault("", "an object is expected")])
    faults = [
        Fault(f"/{name}", "a text is expected" if name in body else "is missing")
        for name in _BODY
        if not isinstance(body.get(name), str)
    ]
    faults += [Fault(f"/{_escaped(key)}", "is not known here") for key in body if key not in _BODY]
    if faults:
        raise InvalidInput("the ruling cannot be read", faults)
    return body["a"], body["b"], body["why"]


def _escaped(key: str) -> str:
    """A key as it stands in a JSON Pointer (RFC 6901, 3)."""
    return key.replace("~", "~0").replace("/", "~1")


def _given(request: Request, *names: str) -> tuple[str, ...]:
    """Query parameters that must be there."""
    absent = [Fault(name, "is missing") for name in names if not request.query_params.get(name)]
    if absent:
        raise InvalidInput("the question cannot be read", absent)
    return tuple(request.query_params[name] for name in names)


def _caller(parts: Parts, request: Request) -> Caller:
    return parts.believe(request.headers.get("authorization"))


def _json(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
