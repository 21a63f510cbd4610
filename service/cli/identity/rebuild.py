"""`testonce identity rebuild`: all stored records judged again."""

from __future__ import annotations

import typer


def rebuild() -> None:
    """Judge all stored records again under the rules as they are now, while the service runs; what people ruled stays.

    Broken off anywhere and run again, it goes on. Earlier decisions that it takes the ground from are evaluated again.
    """
    from service.bootstrap import open_parts
    from service.cli.counted import counted
    from service.cli.load import progress
    from service.cli.local import local_caller
    from service.identity.store.rebuild import Rebuild
    from service.ingest.pipeline import Progress
    from service.settings import load_settings

    parts = open_parts(load_settings())
    try:
        with progress("judged", "records") as on_progress:
            run = Rebuild(parts.database, parts.linker, parts.audit).run
            done = run(local_caller(), lambda n, total: on_progress(Progress(n, total, "")))
        affected = parts.reach.run()
    finally:
        parts.close()
    typer.echo(f"{counted(done, 'record')} judged again, {counted(len(affected), 'earlier decision')} touched")
