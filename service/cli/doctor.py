"""`testonce doctor`: what is wrong and how to mend it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from service.domain.errors import Fault, InvalidInput, TestOnceError, Unavailable

if TYPE_CHECKING:
    from service.settings import Settings
    from service.source_settings import SourceSettings


def doctor(
    probe: Annotated[bool, typer.Option("--probe", help="Also ask each source whether it answers.")] = False,
) -> None:
    """Say what is wrong with the configuration, the keys, the database, the reference data and the sources.

    Nothing is sent over the network, unless --probe asks for it.
    """
    problems = 0
    for name, check in _checks(probe):
        try:
            typer.echo(f"ok       {name}: {check()}")
        except TestOnceError as error:
            problems += 1
            typer.echo(f"PROBLEM  {name}: {error}")
            for fault in error.faults if isinstance(error, InvalidInput) else ():
                typer.echo(f"         {fault.pointer}: {fault.message}")
    if problems:
        typer.echo(f"{problems} problem{'s' if problems > 1 else ''}; mend the first one first")
        raise typer.Exit(1)
    typer.echo("nothing is wrong")


def _checks(probe: bool) -> Iterator[tuple[str, Callable[[], str]]]:
    """Each check with its name, in the order in which one needs the other; each says what it found or raises."""
    from service.bootstrap import load_keys, open_parts
    from service.settings import load_settings, unknown_variables

    known: list[Settings] = []

    def settings() -> str:
        known.append(load_settings())
        # no problem by itself: another program's variables may start with our letters
        notes = [f"note: {one.pointer} is read by nobody; {one.message}" for one in unknown_variables(os.environ)]
        return "\n         ".join([f"home {known[0].home}", *notes])

    yield "settings", settings
    if not known:
        return
    current = known[0]

    def keys() -> str:
        found = load_keys(current)
        note = "\n         note: a rotation is half done; go on with: testonce keys rotate" if found.rotating else ""
        return f"{current.resolved_keys_file}, readable by its owner only{note}"

    yield "keys", keys

    def database() -> str:
        from service.registry import reference_store
        from service.registry.database import Database

        opened = Database.open(current.resolved_database_url)
        try:
            if not opened.is_current():
                raise Unavailable("the schema is missing or old; run: testonce init")
            with opened.write() as conn:
                reference_store.bind_keys(conn, load_keys(current).fingerprints)
            return f"{opened.url.get_backend_name()}, reachable, writable, schema up to date"
        finally:
            opened.close()

    yield "database", database

    def reference() -> str:
        from service.cli.counted import counted

        parts = open_parts(current)
        try:
            policy = parts.reference.current_policy()
        finally:
            parts.close()
        return (
            f"network {policy.network.name} with {counted(len(policy.network.institutions), 'institution')}, "
            f"catalogue {policy.catalogue.version} with {counted(len(policy.catalogue.items), 'item')}"
        )

    yield "network and catalogue", reference

    def persons() -> str:
        from service.cli.counted import counted
        from service.identity.store.rebuild import count_untaken
        from service.registry.database import Database

        opened = Database.open(current.resolved_database_url)
        try:
            with opened.read() as conn:
                untaken = count_untaken(conn)
        finally:
            opened.close()
        if untaken:
            raise Unavailable(
                f"{counted(untaken, 'patient record')} never compared with others; run: testonce identity rebuild"
            )
        return "every patient record is taken up"

    yield "person index", persons

    def audit() -> str:
        from service.audit.verify import verify_log
        from service.cli.counted import counted
        from service.registry.database import Database

        opened = Database.open(current.resolved_database_url)
        try:
            with opened.snapshot() as conn:
                verdict = verify_log(conn, load_keys(current), current.checkpoint_file)
        finally:
            opened.close()
        if not verdict.is_intact:
            raise Unavailable(f"entry {verdict.broken_at} is not intact: {verdict.why}; keep the database as it is")
        return f"{counted(verdict.entries, 'entry', 'entries')}, intact"

    yield "audit log", audit
    for one in current.source:
        yield f"source {one.name}", partial(_source, current, one, probe)


def _source(settings: Settings, source: SourceSettings, probe: bool) -> str:
    """Whether the source's settings can be used, and, when asked, whether it answers."""
    from service.bootstrap import open_parts, open_puller
    from service.ingest.source import Level, SourceError
    from service.pulling.readiness import configuration

    parts = open_parts(settings)
    try:
        puller = open_puller(parts)
        wrong = [one for one in configuration(puller, source) if one.level is Level.PROBLEM]
        if wrong:
            raise InvalidInput("it cannot be pulled", [Fault(one.name, one.text) for one in wrong])
        answers = ""
        if probe:
            try:
                puller.probe(source)
                answers = ", answers"
            except SourceError as error:
                if source.enabled:
                    raise Unavailable(f"{error.code}: {error.message}") from None
                answers = f", does not answer ({error.code})"  # nothing pulls it; an archive that pushes need not
    finally:
        parts.close()
    return f"{source.kind} of {source.institution}{answers}{'' if source.enabled else '; it is disabled'}"
