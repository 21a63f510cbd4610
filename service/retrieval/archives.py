"""The archives of the configured sources, opened when first asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Lock
from zoneinfo import ZoneInfo

from service.domain.errors import TestOnceError, Unavailable
from service.ingest.archive import ImageArchive
from service.ingest.source import SourceError
from service.pulling.configured import FindAdapter, resolve
from service.source_settings import SourceSettings

_CONNECTIONS = 6


class ConfiguredArchives:
    """Opens the archive of a `[[source]]` by its adapter. One that cannot be opened is tried again by the next caller:
    a credential may be there by then."""

    def __init__(
        self, sources: Sequence[SourceSettings], find_adapter: FindAdapter, zone: Callable[[], ZoneInfo]
    ) -> None:
        self._sources = {one.name: one for one in sources}  # one that pushes is not `enabled`, and holds images too
        self._find_adapter = find_adapter
        self._zone = zone
        self._lock = Lock()
        self._open: dict[str, ImageArchive] = {}

    def of(self, source: str) -> ImageArchive:
        """The archive of this source. Unavailable where it is not configured, holds no images, or cannot be opened."""
        with self._lock:
            found = self._open.get(source)
            if found is None:
                found = self._open[source] = self._opened(source)
            return found

    def connections(self, source: str) -> int:
        """How many transfers the source allows at once: for people who wait, its option `image_connections`."""
        settings = self._settings(source)
        asked = settings.options.get("image_connections", _CONNECTIONS)
        return max(settings.limits.connections, asked if isinstance(asked, int) and 0 < asked <= 64 else _CONNECTIONS)

    def close(self) -> None:
        """Lets go of their connections."""
        with self._lock:
            for archive in self._open.values():
                with suppress(Exception):  # the others are to be closed too
                    archive.close()
            self._open.clear()

    def _settings(self, source: str) -> SourceSettings:
        if source not in self._sources:
            raise Unavailable(f"the source {source} is not configured here; see [[source]]", retry_after=300)
        return self._sources[source]

    def _opened(self, source: str) -> ImageArchive:
        settings = self._settings(source)
        try:
            open_archive = self._find_adapter(settings.kind).open_archive
            if open_archive is None:
                raise Unavailable(f"a source of the kind {settings.kind} gives out no images", retry_after=300)
            return open_archive(resolve(settings, self._zone()))
        except SourceError as error:
            raise Unavailable(f"the archive {source} cannot be opened ({error.code})", retry_after=60) from None
        except Unavailable:
            raise
        except TestOnceError as error:
            raise Unavailable(f"the archive {source} cannot be opened: {error}", retry_after=300) from None
