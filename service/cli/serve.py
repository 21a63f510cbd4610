"""`testonce serve`: the HTTP service."""

from __future__ import annotations

import os
import tempfile
from typing import Annotated

import typer


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
    if "public_url" not in settings.model_fields_set:
        shown = f"[{host}]" if ":" in host else host
        os.environ["TESTONCE_PUBLIC_URL"] = f"http://{shown}:{port}"
    processes = workers or settings.workers
    with tempfile.TemporaryDirectory(prefix="testonce-metrics-") as folder:
        if processes > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # read by the workers: they share their counts there
        typer.echo(f"listening at http://{host}:{port} with {processes} process{'es' if processes > 1 else ''}")
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
