"""The peer of the worked example of docs/writing-an-adapter.md: a laboratory that tells over HTTP what changed."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

START = datetime(2026, 11, 20, tzinfo=UTC)


class ChangeFeed:
    """`GET /changes?after=N&limit=M` gives lines `{"seq", "at", "op", "resource"}`; `seq` is drawn when a change is
    begun, and seen when it is committed: a late one has a lower number than what was seen before."""

    def __init__(self) -> None:
        self.changes: dict[int, bytes] = {}
        self.now = START
        self._next = 1
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"feed": self}))
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def reserve(self) -> int:
        """A number for a change that is committed later."""
        self._next += 1
        return self._next - 1

    def put(self, resource: Mapping[str, Any], op: str = "put", seq: int | None = None) -> None:
        """Commits a change."""
        seq = seq or self.reserve()
        line = {"seq": seq, "at": self.now.isoformat(), "op": op, "resource": resource}
        self.put_line(json.dumps(line, ensure_ascii=False).encode(), seq)

    def put_line(self, line: bytes, seq: int | None = None) -> None:
        """Commits a change, as these bytes."""
        self.changes[seq or self.reserve()] = line

    def after(self, seq: int, limit: int) -> bytes:
        """The lines of a page."""
        numbers = sorted(one for one in self.changes if one > seq)[:limit]
        return b"".join(self.changes[one] + b"\n" for one in numbers)

    def advance(self, by: timedelta) -> None:
        """Time goes by there."""
        self.now += by

    def close(self) -> None:
        """Stops."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


class _Handler(BaseHTTPRequestHandler):
    feed: ChangeFeed
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # one segment for headers and body: two would wait for each other's acknowledgement

    def do_GET(self) -> None:
        """A page of changes."""
        url = urlsplit(self.path)
        asked = parse_qs(url.query)
        if url.path != "/lab/changes":
            self.send_error(404)
            return
        body = self.feed.after(int(asked["after"][0]), int(asked["limit"][0]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""
