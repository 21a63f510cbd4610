"""Image archives that speak DIMSE (PS3.7): polled by C-FIND, asked by C-GET, or pushing by C-STORE."""

from __future__ import annotations

from adapters.dimse.archive import open_archive
from adapters.dimse.peer import read_peer
from adapters.dimse.receiver import open_receiver
from adapters.dimse.source import DimseSource
from service.ingest.source import Source, SourceConfig


def open_source(config: SourceConfig) -> Source:
    """A source that polls the archive. Raises Fatal `bad-address` or `bad-option`; does not connect yet."""
    return DimseSource(read_peer(config))


__all__ = ["open_archive", "open_receiver", "open_source"]
