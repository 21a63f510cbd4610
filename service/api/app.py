"""The HTTP application: which call stands at which path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.exceptions import HTTPException

from service.api import calls, checkpoints, health, identity, match, notices, reference, reports, sources
from service.api import documentation as docs
from service.api.gate import Gate
from service.domain.errors import TestOnceError
from service.edge.parts import Parts
from service.edge.problem import problem_of

Call = Callable[[Parts, Request], Awaitable[Response]]
_BEARER = {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}


def create_app(parts: Parts, routers: Iterable[APIRouter] = ()) -> Gate:
    """The application over `parts`, with the `routers` of other edges. Closing it closes the parts."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        beside = [asyncio.create_task(checkpoints.keep(parts)), asyncio.create_task(parts.images.keep_tidy())]
        parts.reach.start()
        parts.probes.start()
        yield
        for task in beside:
            task.cancel()
        parts.close()

    app = FastAPI(
        title="TestOnce (一检通)",
        summary="Mutual recognition of laboratory and imaging results between hospitals.",
        version=_version(),
        docs_url=None,  # its pages load scripts from elsewhere; a hospital's network has no elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    app.include_router(_router(parts))
    for router in routers:
        app.include_router(router)
    for kind in (TestOnceError, HTTPException, Exception):
        app.add_exception_handler(kind, _problem)
    app.openapi = partial(_openapi, app, app.openapi)  # type: ignore[method-assign]
    return Gate(app, parts.settings.max_in_flight, {("POST", match.PATH): match.lean(parts)})


async def _problem(_request: Request, error: Exception) -> Response:
    return problem_of(error)


def _router(parts: Parts) -> APIRouter:
    router = APIRouter()

    def call(method: str, path: str, work: Call, summary: str, **more: Any) -> None:
        async def endpoint(request: Request) -> Response:
            return await work(parts, request)

        endpoint.__name__ = work.__name__
        more.setdefault("responses", docs.answers(401, 403, 503))
        router.add_api_route(path, endpoint, methods=[method], summary=summary, response_model=None, **more)

    call(
        "POST", match.PATH, match.endpoint, "What can be reused for these orders",
        openapi_extra=docs.body_of(docs.MATCH_BODY, docs.MATCH_EXAMPLE),
        responses=docs.answers(400, 401, 403, 413, 415, 503, schema=docs.MATCH_ANSWER),
    )  # fmt: skip
    one = "/api/v1/decisions/{decision_id}"
    found = docs.answers(401, 403, 404, 503)
    call("GET", one, calls.read_decision, "A decision as it was given, and why", responses=found)
    call("POST", f"{one}/replay", calls.replay_decision, "Evaluate it again from what it was given", responses=found)
    call(
        "POST", f"{one}/events", calls.record_event, "An offered result was shown, retrieved, cited or revoked",
        openapi_extra=docs.body_of(docs.EVENT_BODY, {"orderId": "o1", "event": "shown"}),
        responses=docs.answers(400, 401, 403, 404, 413, 415, 503, ok=201),
    )  # fmt: skip
    call(
        "POST", "/api/v1/recognitions", calls.record_recognition, "Record what the clinician chose",
        openapi_extra=docs.body_of(docs.RECOGNITION_BODY, docs.RECOGNITION_EXAMPLE),
        responses=docs.answers(400, 401, 403, 404, 409, 413, 415, 503, ok=201),
    )  # fmt: skip
    call(
        "GET", "/api/v1/recognitions", calls.list_recognitions, "Recognitions, oldest first (auditors)",
        openapi_extra=docs.query("limit", "after"), responses=docs.answers(400, 401, 403, 503),
    )  # fmt: skip
    call(
        "GET", "/api/v1/notices", notices.read_notices, "What the own institution has to be told, oldest first",
        openapi_extra=docs.query("limit", "after"),
        responses=docs.answers(400, 401, 403, 503, schema=docs.NOTICES_ANSWER),
    )  # fmt: skip
    call(
        "GET", "/api/v1/statistics", calls.statistics, "Recognition counts (JSON or CSV)",
        openapi_extra=docs.STATISTICS_QUERY, responses=docs.answers(400, 401, 403, 503),
    )  # fmt: skip
    call(
        "GET", "/api/v1/reports/{report_id}", reports.read_report, "A report byte for byte as it was received",
        openapi_extra=docs.query("decision"), responses=docs.answers(401, 403, 404, 409, 503),
    )  # fmt: skip
    _add_identity(call)
    call("GET", "/api/v1/catalogue", reference.read_catalogue, "The items that can be recognised")
    call("GET", "/api/v1/catalogue/{item_id}", reference.read_item, "One item or panel", responses=found)
    call("GET", "/api/v1/institutions", reference.read_institutions, "Who takes part, and what certifies them")
    call(
        "GET", "/api/v1/sources", sources.read_sources, "How each hospital system that is pulled from is",
        responses=docs.answers(401, 503, schema=docs.SOURCES_ANSWER),
    )  # fmt: skip
    call("GET", "/healthz", health.healthz, "Is the process alive", responses=docs.answers())
    call("GET", "/readyz", health.readyz, "Can questions be answered", responses=docs.answers(503))
    found_of_sources = sources.SourceMetrics(parts)

    async def exposition(parts: Parts, _request: Request) -> Response:
        return await health.exposition(parts, found_of_sources)

    call("GET", "/metrics", exposition, "Prometheus", include_in_schema=False)
    return router


def _add_identity(call: Callable[..., None]) -> None:
    """Who is who: for stewards."""
    here = "/api/v1/identity"
    call(
        "GET", f"{here}/review", identity.read_review, "What waits for a person's decision, the highest stake first",
        openapi_extra=docs.query("limit", "after", "institution"),
        responses=docs.answers(400, 401, 403, 503, schema=docs.REVIEW_ANSWER),
    )  # fmt: skip
    found = docs.answers(400, 401, 403, 404, 503)
    call(
        "GET", f"{here}/explain", identity.read_explanation, "Why two records are one person, or are not",
        openapi_extra=docs.query("a", "b", "at"), responses=found,
    )  # fmt: skip
    call(
        "GET", f"{here}/person", identity.read_person, "Which records are one person, now or at a time",
        openapi_extra=docs.query("record", "at"), responses=found,
    )  # fmt: skip
    for path, work, summary in (
        ("links", identity.link, "Two records are one person; in force when another user says the same"),
        ("unlinks", identity.unlink, "Two records are no longer one person"),
        ("not-same", identity.not_same, "Two records are two persons, whatever comes"),
        ("withdrawals", identity.withdraw, "Take back what was ruled or proposed on two records"),
    ):
        answers = docs.answers(400, 401, 403, 404, 409, 413, 415, 503, schema=docs.RULING_ANSWER)
        if path == "links":
            answers[201] = {**answers[200], "description": "Proposed"}
        call(
            "POST", f"{here}/{path}", work, summary,
            openapi_extra=docs.body_of(docs.RULING_BODY, docs.RULING_EXAMPLE), responses=answers,
        )  # fmt: skip


def _openapi(app: FastAPI, original: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """FastAPI's document, with the bearer token every call but the open ones needs."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    schema = original()
    schema.setdefault("components", {})["securitySchemes"] = _BEARER
    for path, methods in schema["paths"].items():
        if path not in ("/healthz", "/readyz", "/cds-services"):
            for operation in methods.values():
                operation["security"] = [{"bearer": []}]
    return schema


def _version() -> str:
    try:
        return version("testonce")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "0"
