"""Asked again at retrieval: is the study still there, whole, of the same patient, not rejected? (research/imaging 8.7)

What was found is remembered with the holding, so that the next match knows it.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from service.domain.codes import NO_IMAGE_MODALITIES
from service.domain.errors import NotFound, Unavailable
from service.ingest.archive import HeldInstance, HeldStudy, ImageArchive, NotHeld, Place, require_online
from service.ingest.source import Retriable, SourceError
from service.registry import images, source_states
from service.registry.database import Database
from service.registry.images import HELD, StudyHeld
from service.registry.journal import Journal
from service.retrieval.errors import ImagesRefused
from service.retrieval.indexed import Indexed
from service.retrieval.lines import Line
from service.retrieval.rights import Grant
from service.retrieval.together import Together

Lists = dict[str, tuple[HeldInstance, ...]]
"""The instances of series that were listed, by SeriesInstanceUID."""

LASTS_SECONDS = 60.0
_MOST_REMEMBERED = 200
_RETRY_SECONDS = 30


def trouble(source: str, error: SourceError) -> Unavailable:
    """What a caller is told when an archive cannot be asked; nothing of what it answered."""
    wait = int(error.retry_after or _RETRY_SECONDS) if isinstance(error, Retriable) else 10 * _RETRY_SECONDS
    return Unavailable(f"the archive {source} cannot be asked for images now ({error.code})", retry_after=wait)


@dataclass(slots=True)
class Checked:
    """A study as its archive holds it now, and the instances of the series that were looked at."""

    grant: Grant
    study: HeldStudy
    until: float
    instances: Lists

    @property
    def left_out(self) -> frozenset[str]:
        """The instances that rejection notes take out, and the notes: not listed, not counted, not to be given."""
        return self.study.rejections.left_out

    @property
    def count(self) -> int:
        """How many instances it has."""
        return count_of(self.study)

    def require_series(self, series_uid: str) -> None:
        """NotFound unless the series is one of this study: an archive may not look at the study of an address."""
        if all(one.series_uid != series_uid for one in self.study.series):
            raise NotFound("the study has no such series")

    def is_of_series(self, series_uid: str) -> int | None:
        """How many instances the series has, where that is known."""
        if series_uid in self.instances:
            return len(self.instances[series_uid])
        return next((one.instances for one in self.study.series if one.series_uid == series_uid), None)


def count_of(study: HeldStudy) -> int:
    """How many instances the archive says the study has; 0: it does not say."""
    return study.instances or sum(one.instances or 0 for one in study.series)


class Checks:
    """Asks archives for studies before anything is given out, and remembers the answer for a minute."""

    def __init__(
        self, database: Database, indexed: Indexed, journal: Journal, purge: Callable[[StudyHeld], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._database = database
        self._indexed = indexed
        self._journal = journal
        self._together = Together()
        self._purge = purge
        self._clock = clock
        self._known: OrderedDict[tuple[str, str, str], Checked] = OrderedDict()

    async def study(self, line: Line, grant: Grant) -> Checked:
        """The study as its archive holds it. ImagesRefused, with the reason remembered, or Unavailable."""
        held = grant.holding
        key = (held.source, held.institution, held.study_uid)
        known = self._known.get(key)
        if known is not None and known.until > self._clock() and known.grant.holding.noted_at == held.noted_at:
            return replace(known, grant=grant)
        asked = (*key, held.noted_at, grant.patient_ids)
        return replace(await self._together.do(asked, lambda: self._asked(line, grant, key)), grant=grant)

    async def _asked(self, line: Line, grant: Grant, key: tuple[str, str, str]) -> Checked:
        async with line.slot():
            found, lists = await line.call(lambda archive: self._ask(archive, grant))
        checked = self._known[key] = Checked(grant, found, self._clock() + LASTS_SECONDS, lists)
        while len(self._known) > _MOST_REMEMBERED:
            self._known.popitem(last=False)
        return checked

    async def instances(self, line: Line, checked: Checked, series_uid: str) -> tuple[HeldInstance, ...]:
        """The instances of a series, asked for once while the check lasts. NotFound, Unavailable."""
        checked.require_series(series_uid)
        if series_uid not in checked.instances:
            await self._together.do(
                (id(checked.instances), series_uid), lambda: self._listed(line, checked, series_uid)
            )
        return checked.instances[series_uid]

    async def _listed(self, line: Line, checked: Checked, series_uid: str) -> None:
        place = Place(checked.study.study_uid, series_uid)
        async with line.slot():
            found = await line.call(lambda archive: self._list(archive, checked.grant, place))
        checked.instances[series_uid] = tuple(one for one in found if one.sop_uid not in checked.left_out)

    def _ask(self, archive: ImageArchive, grant: Grant) -> tuple[HeldStudy, Lists]:
        held = grant.holding
        try:
            if len(grant.patient_ids) != 1:
                raise NotHeld(
                    "not-held" if not grant.patient_ids else "ambiguous", "the headers do not name one patient"
                )
            found = archive.find_study(held.study_uid, grant.patient_ids)
            _look(found, grant)
            found, lists = _used(archive, found)
            self._count(found, held)
        except NotHeld as no:
            self._remember(held, no.code)
            self._purge(held)
            raise ImagesRefused.of_state(no.code) from None
        except SourceError as error:
            self._note_probe(held.source, error)
            raise trouble(held.source, error) from None
        if held.state == HELD:
            self._note_held(held)
        else:
            self._remember(held, HELD)
        return found, lists

    def _count(self, found: HeldStudy, held: StudyHeld) -> None:
        """NotHeld where there are fewer instances than the archive told of, and no rejection note says where they are:
        those that one takes out were told of before it came."""
        count = count_of(found)
        missing = held.instances - count if count else 0
        taken = found.rejections.images
        if missing > 0 and (not taken or missing > self._indexed.count(held.institution, held.study_uid, taken)):
            raise NotHeld("incomplete", "fewer instances than the archive told of")

    def _list(self, archive: ImageArchive, grant: Grant, place: Place) -> tuple[HeldInstance, ...]:
        try:
            return archive.find_instances(place)
        except NotHeld:
            raise NotFound("the study has no such series") from None
        except SourceError as error:
            self._note_probe(grant.holding.source, error)
            raise trouble(grant.holding.source, error) from None

    def _note_held(self, held: StudyHeld) -> None:
        """Notes that all is as it was; nobody waits for that."""
        now = self._database.now_us()

        def work(conn: Connection) -> None:
            images.note_held(conn, held, now)
            source_states.note_probe(conn, held.source, now, None)

        self._journal.submit_all([work])

    def _remember(self, held: StudyHeld, state: str) -> None:
        now = self._database.now_us()
        with self._database.write() as conn:
            images.set_state(conn, held, state, now)
            source_states.note_probe(conn, held.source, now, None)

    def _note_probe(self, source: str, error: SourceError) -> None:
        with self._database.write() as conn:  # whatever it is: until the next probe works, its images cannot be had
            source_states.note_probe(conn, source, self._database.now_us(), error.code)

    def close(self) -> None:
        """Ends questions on their way."""
        self._together.close()

    def forget(self, held: StudyHeld) -> None:
        """The next caller's study is asked for anew."""
        self._known.pop((held.source, held.institution, held.study_uid), None)


def _look(found: HeldStudy, grant: Grant) -> None:
    """NotHeld where the archive's own answer says that the study is not to be given out. An adapter looks too; this is
    the last look before an image leaves."""
    if found.study_uid != grant.holding.study_uid or found.patient_id.strip() not in grant.patient_ids:
        raise NotHeld("other-patient", "the study is held under another patient")
    require_online(found.availability)
    if found.rejections.study:
        raise NotHeld("rejected", "a rejection note forbids the study, or does not say what it forbids")


def _used(archive: ImageArchive, found: HeldStudy) -> tuple[HeldStudy, Lists]:
    """The study without what rejection notes take out (IHE IOCM), and the lists of its series where that was looked
    up: an archive may list and count what it was told to reject, or hide it. NotHeld where no image is left."""
    out = found.rejections.left_out
    if not out or found.rejections.study:
        return found, {}
    lists: Lists = {}
    for one in found.series:
        with suppress(NotHeld):  # a series that is hidden whole
            listed = archive.find_instances(Place(found.study_uid, one.series_uid))
            lists[one.series_uid] = tuple(each for each in listed if each.sop_uid not in out)
    series = tuple(
        replace(one, instances=len(lists[one.series_uid])) for one in found.series if lists.get(one.series_uid)
    )
    if all(one.modality in NO_IMAGE_MODALITIES for one in series):
        raise NotHeld("rejected", "rejection notes name all images of the study")
    return replace(found, series=series, instances=sum(map(len, lists.values()))), lists
