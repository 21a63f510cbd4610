"""`testonce serve`: the HTTP service."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
from typing import Annotated

import typer

from service.domain.errors import TestOnceError


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen at.")] = 8000,
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Server processes. Default: the setting.")] = None,
) -> None:
    """Run the HTTP service; ready when GET /readyz answers 200."""
    import uvicorn

    from service.bootstrap import load_keys
    from service.domain.errors import Unavailable
    from service.registry.database import Database
    from service.settings import load_settings

    settings = load_settings()
    load_keys(settings)
    database = Database.open(settings.resolved_database_url)
    try:
        if not database.is_current():
            raise Unavailable("the database has no schema, or an old one; run: testonce init")
    finally:
        database.close()
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    check_free(host, port, address)
    if "public_url" not in settings.model_fields_set:
        os.environ["TESTONCE_PUBLIC_URL"] = address
    processes = workers or settings.workers
    with tempfile.TemporaryDirectory(prefix="testonce-metrics-") as folder:
        if processes > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # read by the workers: they share their counts there
        typer.echo(f"listening at {address} with {processes} process{'es' if processes > 1 else ''}")
        uvicorn.run(
            "service.bootstrap:create_app_from_environment",
            factory=True,
            host=host,
            port=port,
            workers=processes,
            access_log=False,  # paths carry ids; counts and times by route are at /metrics
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=20,
        )


def check_free(host: str, port: int, address: str) -> None:
    """TestOnceError when the server could not listen there: the server itself would give only the error's number,
    and say it after "listening"."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        # as the server does: an address that a server has just left is free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = "address already in use" if error.errno == errno.EADDRINUSE else error.strerror
            option = "--port" if error.errno in (errno.EADDRINUSE, errno.EACCES) else "--host"
            raise TestOnceError(f"cannot listen at {address}: {why}; choose another with {option}") from None
