"""Reading again what a source gave in a span of time: after a mapping profile, a catalogue or a reader was mended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from service.domain.errors import TestOnceError
from service.domain.report import LabReport
from service.ingest.counts import LoadCounts
from service.ingest.pipeline import Document, Loader
from service.pulling.pull import Puller
from service.pulling.rehearsal import Rehearsal, Rehearsed
from service.pulling.store import PullStore
from service.source_settings import SourceSettings

_BATCH_BYTES = 4 * 1024 * 1024
_BATCH_DOCUMENTS = 250

OnDocuments = Callable[[int], None]
"""Told how many documents have been read again so far."""


@dataclass(slots=True)
class Replayed:
    """What was read again, and what became of it, or would have. `results`: laboratory results in the reports that
    would be new or updated, of a rehearsal only."""

    documents: int = 0
    counts: LoadCounts = field(default_factory=LoadCounts)
    results: int = 0


def replay(
    puller: Puller,
    settings: SourceSettings,
    since: datetime,
    until: datetime,
    *,
    dry_run: bool = False,
    on_documents: OnDocuments | None = None,
) -> Replayed:
    """Reads and indexes the documents that the source gave in [since, until) again, in batches that commit each by
    itself; with `dry_run` each is undone. Broken off, it can be run again from the start. Raises SourceError where the
    source's mapping profile has mistakes."""
    rehearsal = Rehearsal(puller.store) if dry_run else None
    loader = puller.loader(settings, rehearsal)
    _, network = puller.policy()
    store = puller.store_of(settings, network)
    done, after = Replayed(), -1
    while page := store.between(since, until, after, _BATCH_BYTES, _BATCH_DOCUMENTS):
        done.counts.merge(_read([document for _, document in page], loader, store))
        done.documents += len(page)
        after = page[-1][0].id
        if rehearsal is not None:
            done.results += _results(rehearsal.seen)
            rehearsal.seen = Rehearsed()
        if on_documents is not None:
            on_documents(done.documents)
    return done


def _read(documents: Sequence[Document], loader: Loader, store: PullStore) -> LoadCounts:
    """Reads documents as one batch; where the reader fails, each by itself: one keeps none of the others waiting."""
    try:
        return loader.load(documents, store.note_held, again=True)
    except TestOnceError:
        raise
    except Exception:
        if len(documents) == 1:
            failed = LoadCounts()
            failed.add("document", "rejected", "reader-failed")
            return failed
    counts = LoadCounts()
    for one in documents:
        counts.merge(_read([one], loader, store))
    return counts


def _results(seen: Rehearsed) -> int:
    return sum(
        len(one.content.results)
        for one, outcome in seen.reports
        if outcome != "unchanged" and isinstance(one.content, LabReport)
    )
