"""The only place where parts are joined."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from service.audit.log import AuditLog
from service.decisions.again import Evaluator
from service.decisions.desk import Desk
from service.decisions.notices import Notices
from service.decisions.reach import Reach
from service.decisions.reference import ReferenceReader
from service.decisions.reports import OfferedReports
from service.domain.catalogue import Catalogue
from service.domain.errors import Fault, InvalidInput, Unavailable
from service.domain.network import Network
from service.edge.commits import SharedCommits
from service.edge.parts import Pace, Parts
from service.identity.store.inquiries import Inquiries
from service.identity.store.linker import Linker
from service.identity.store.rulings import Rulings
from service.pulling.configured import Adapter
from service.pulling.probes import Probes
from service.recognition.events import OrderEvents
from service.recognition.records import Recognitions
from service.recognition.statistics import Statistics
from service.registry.database import Database
from service.registry.ingest_store import SqlIngestStore
from service.registry.journal import Journal
from service.registry.reference_store import WRONG_KEYS, opens
from service.retrieval.archives import ConfiguredArchives
from service.retrieval.cache import ImageCache
from service.retrieval.checks import Checks
from service.retrieval.indexed import Indexed
from service.retrieval.lines import Archives, Lines
from service.retrieval.openings import Openings
from service.retrieval.pictures import Pictures
from service.retrieval.rendering.pool import Renderers
from service.retrieval.retrieve import Retrieval, Room
from service.retrieval.rights import Rights
from service.retrieval.search import Search
from service.retrieval.transfers import Transfers
from service.security.keys import KeyRing
from service.security.tokens import Tokens
from service.settings import Settings, load_settings

if TYPE_CHECKING:
    from service.pulling.pull import Puller


def load_keys(settings: Settings) -> KeyRing:
    """The installation's keys; Unavailable with what to do when they are absent or not safe."""
    path = settings.resolved_keys_file
    try:
        return KeyRing.load(path)
    except FileNotFoundError:
        raise Unavailable(f"there is no key file {path}; run: testonce init") from None
    except OSError as error:
        raise Unavailable(f"the key file {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise Unavailable(str(error)) from None


def check_keys(database: Database, keys: KeyRing) -> None:
    """Unavailable when the database was filled under other keys. An empty or old one is judged by who asks it more."""
    try:
        with database.read() as conn:
            is_ours = opens(conn, keys.fingerprints)
    except Unavailable:
        return
    if not is_ours:
        database.close()
        raise Unavailable(WRONG_KEYS, retry_after=60)


def open_parts(settings: Settings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Parts:
    """All parts of one process. Opens the database; starts no thread and binds no port. Raises Unavailable."""
    keys = load_keys(settings)
    database = Database.open(settings.resolved_database_url)
    check_keys(database, keys)
    audit = AuditLog(database, keys)
    journal = Journal(database, audit.gathering)
    reference = ReferenceReader(database)
    linker = Linker(database, keys)
    commits = SharedCommits(journal)
    archives = ConfiguredArchives(settings.source, find_adapter, lambda: reference.current_policy().network.zone)
    return Parts(
        settings=settings,
        database=database,
        keys=keys,
        tokens=Tokens(keys),
        journal=journal,
        commits=commits,
        audit=audit,
        reference=reference,
        desk=Desk(database, keys, journal, audit, reference, public_url=settings.public_url, clock=clock),
        reports=OfferedReports(database, keys, journal, audit),
        notices=Notices(database, journal, audit),
        reach=Reach(
            database,
            audit,
            Evaluator(database, keys, reference, settings.public_url, clock),
            partial(open_evaluator, settings),
        ),
        recognitions=Recognitions(
            database, keys, journal, audit, lambda: dict(reference.current_policy().network.repeat_reasons), clock
        ),
        events=OrderEvents(database, journal, audit, clock),
        statistics=Statistics(database, journal, audit, lambda: reference.current_policy().network.zone, clock),
        linker=linker,
        rulings=Rulings(database, keys, linker, audit),
        inquiries=Inquiries(database, keys, audit),
        probes=Probes(database, lambda: _puller(database, keys, linker, reference), settings.source),
        images=open_images(settings, database, keys, journal, commits, audit, archives),
        pool=ThreadPoolExecutor(settings.threads, thread_name_prefix="work"),
        pace=Pace(settings.rate_limit) if settings.rate_limit else None,
    )


def open_images(
    settings: Settings, database: Database, keys: KeyRing, journal: Journal, commits: SharedCommits, audit: AuditLog,
    archives: Archives,
) -> Retrieval:  # fmt: skip
    """Images on demand from these archives. Opens none, starts no thread and no process."""
    rights = Rights(database, keys)
    cache = ImageCache(settings.home.expanduser() / "images", keys, settings.image_cache_bytes)
    indexed = Indexed(database, keys)
    lines, checks = Lines(archives), Checks(database, indexed, journal, cache.purge)
    transfers = Transfers(lines, checks)
    room = Room(
        database,
        rights,
        indexed,
        checks,
        lines,
        transfers,
        Pictures(database, transfers, cache, Renderers(settings.renderers)),
        Openings(database, audit, journal, commits.durable),
        Search(database, keys, rights, journal, audit),
        settings.slow_link_mbits * 1_000_000 / 8,
    )
    return Retrieval(room)


def open_evaluator(settings: Settings) -> Evaluator:
    """What a process needs that only evaluates decisions again. Raises Unavailable."""
    database = Database.open(settings.resolved_database_url)
    return Evaluator(database, load_keys(settings), ReferenceReader(database), settings.public_url)


def find_adapter(kind: str) -> Adapter:
    """The adapter of a kind: the package `adapters.<kind>`, `-` written `_`. InvalidInput when there is none."""
    name = f"adapters.{kind.replace('-', '_')}"
    try:
        package = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        told = f"there is no adapter {kind!r}; docs/sources.md names the kinds"
        raise InvalidInput("a source cannot be opened", [Fault("kind", told)]) from None
    optional = (getattr(package, name, None) for name in ("open_archive", "open_receiver"))
    return Adapter(package.open_source, *optional)


def open_puller(parts: Parts) -> Puller:
    """What pulls the configured sources into the registry."""
    return _puller(parts.database, parts.keys, parts.linker, parts.reference)


def _puller(database: Database, keys: KeyRing, linker: Linker, reference: ReferenceReader) -> Puller:
    from service.pulling.pull import Puller

    def policy() -> tuple[Catalogue, Network]:
        current = reference.current_policy()
        return current.catalogue, current.network

    store = SqlIngestStore(database, keys, persons=linker)
    return Puller(database, keys, store, lambda kind: find_adapter(kind), policy)


def create_app_from_environment() -> object:
    """The ASGI application of one server process; settings from TESTONCE_CONFIG and the environment."""
    from service.api.app import create_app
    from service.cds_hooks.routes import routes
    from service.dicomweb.routes import routes as dicomweb_routes

    parts = open_parts(load_settings())
    app = create_app(parts, [routes(parts), dicomweb_routes(parts)])
    # A decision makes thousands of small values, none in circles; what start-up made stays until the end:
    # all that need not be looked through for garbage again and again.
    sys.setswitchinterval(0.0005)  # a commit needs the interpreter's lock a few dozen times, between requests
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 50)
    return app
