"""`/healthz`, `/readyz`, `/metrics`: open to all, and they say nothing but how the service is."""

from __future__ import annotations

import logging

import msgspec
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from service.api import metrics
from service.domain.errors import TestOnceError
from service.edge.parts import Parts


async def healthz(_parts: Parts, _request: Request) -> Response:
    """The process answers."""
    return Response(b'{"status":"ok"}', media_type="application/json")


async def readyz(parts: Parts, _request: Request) -> Response:
    """200 when questions can be answered: database reachable and migrated, catalogue and network loaded."""
    checks = await parts.run(_checks, parts)
    is_ready = all(one == "ok" for one in checks.values())
    body = {"status": "ready" if is_ready else "not-ready", "checks": checks}
    headers = {} if is_ready else {"Retry-After": "5"}
    return Response(msgspec.json.encode(body), 200 if is_ready else 503, headers, "application/json")


def _checks(parts: Parts) -> dict[str, str]:
    checks = {"keys": "ok"}
    try:
        checks["database"] = "ok" if parts.database.is_current() else "the schema is old; run: testonce init"
        parts.reference.current_policy()
        checks["reference"] = "ok"
    except TestOnceError as error:
        checks["reference" if "database" in checks else "database"] = str(error)
    except Exception as error:
        logging.getLogger("testonce").error("readiness check failed: %s", type(error).__name__)
        checks["database"] = "does not answer"
    return checks


async def exposition(parts: Parts, of_sources: Collector) -> Response:
    """Prometheus text format: what this service counted, and what the database knows of the sources."""
    metrics.waiting.set(parts.reach.waiting)
    found = metrics.exposition() + await parts.run(metrics.shared, of_sources)
    return Response(found, media_type=metrics.CONTENT_TYPE)
