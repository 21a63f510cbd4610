"""Bytes of archives on their way; what an archive says when it cannot becomes what a caller is told."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from service.domain.errors import NotFound
from service.ingest.archive import ImageArchive, NotHeld, Part, PartStream
from service.ingest.source import Skippable, SourceError
from service.retrieval.checks import Checks, trouble
from service.retrieval.errors import CannotShow, ImagesRefused
from service.retrieval.lines import Lines, Transfer
from service.retrieval.openings import Opening

Pieces = AsyncGenerator[Part | bytes, None]
"""Each part of an answer, followed by its bytes."""


class Transfers:
    """Asks archives for what callers opened."""

    def __init__(self, lines: Lines, checks: Checks) -> None:
        self._lines = lines
        self._checks = checks

    async def pieces(self, opening: Opening, start: Callable[[ImageArchive], PartStream]) -> Pieces:
        """The pieces of what `start` asks. NotFound, ImagesRefused, CannotShow for what cannot be used, Unavailable."""
        held = opening.grant.holding
        opening.at_work += 1
        transfer = Transfer(self._lines.of(held.source), start)
        try:
            async with aclosing(transfer.pieces()) as pieces:
                async for piece in pieces:
                    opening.used = time.monotonic()
                    yield piece
        except NotHeld as no:
            self._checks.forget(held)
            if no.code == "not-held":
                raise NotFound("the archive does not have it any more") from None
            raise ImagesRefused.of_state(no.code) from None
        except Skippable as error:
            raise CannotShow(error.code, error.message) from None
        except SourceError as error:
            opening.outcome = "cut-off" if opening.bytes else opening.outcome
            raise trouble(held.source, error) from None
        finally:
            opening.at_work -= 1
            opening.used = time.monotonic()

    async def whole(self, opening: Opening, start: Callable[[ImageArchive], PartStream], most: int) -> bytes:
        """All bytes of what `start` asks, which is one part. As `pieces`; CannotShow beyond `most` bytes."""
        body = bytearray()
        pieces = self.pieces(opening, start)
        async with aclosing(pieces):
            async for piece in pieces:
                if isinstance(piece, bytes):
                    body += piece
                if len(body) > most:
                    raise CannotShow("too-large", "The image is larger than a picture is made of.")
        return bytes(body)
