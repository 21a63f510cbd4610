"""The floor of the match: a bare ASGI handler that does one indexed read on the same table."""

from __future__ import annotations

import random
from typing import Any

from sqlalchemy import bindparam, select

from service.registry.database import Database
from service.registry.tables import result
from service.settings import load_settings

_READ = select(result.c.value, result.c.unit).where(
    result.c.record_id == bindparam("record"), result.c.item == "718-7", result.c.start_at >= 0
)
_database: Database | None = None
_RECORDS = random.Random(7)


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answers anything with the haemoglobin values of one record."""
    global _database
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if _database is None:
        _database = Database.open(load_settings().resolved_database_url)
    while (await receive()).get("more_body"):
        pass
    with _database.read() as conn:
        rows = conn.execute(_READ, {"record": _RECORDS.randrange(1, 2000)}).all()
    body = repr(len(rows)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
