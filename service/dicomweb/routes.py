"""The paths of DICOMweb (PS3.18 10.4, 10.6). Storing is refused: hospitals store in their own archives."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec
from fastapi import APIRouter, Request, Response
from starlette.background import BackgroundTask

from service.dicomweb.accept import BULK, DICOM, JSON, Accepted, choose_form, choose_picture, read_accept, require_json
from service.dicomweb.answers import stream
from service.dicomweb.leaving import LEFT, unless_left
from service.dicomweb.questions import read_question
from service.dicomweb.rows import Row, Rows
from service.dicomweb.views import read_view
from service.domain.errors import Fault, InvalidInput, NotFound
from service.edge.parts import Parts
from service.ingest.archive import Place
from service.retrieval.openings import Opening
from service.retrieval.search import KnownStudy
from service.security.caller import Caller, Role

ROOT = "/dicomweb"
_STUDY = "/studies/{study}"
_SERIES = f"{_STUDY}/series/{{series}}"
_INSTANCE = f"{_SERIES}/instances/{{instance}}"
_FRAMES = f"{_INSTANCE}/frames/{{frames}}"
_DECISION = re.compile(r"[0-9a-f-]{36}")
_FRAME_LIST = re.compile(r"[1-9][0-9]{0,6}(,[1-9][0-9]{0,6}){0,999}")


def routes(parts: Parts) -> APIRouter:
    """The router of this edge."""
    router = APIRouter(prefix=ROOT)
    web = DicomWeb(parts)

    def call(path: str, work: Callable[[Request], Awaitable[Response]], summary: str) -> None:
        async def endpoint(request: Request) -> Response:
            return await work(request)

        endpoint.__name__ = work.__name__
        router.add_api_route(path, endpoint, methods=["GET"], summary=summary, response_model=None)

    call("/studies", web.find_studies, "QIDO-RS: studies that may be opened")
    call("/series", web.find_series, "QIDO-RS: series of such studies")
    call("/instances", web.find_instances, "QIDO-RS: instances of such studies")
    call(f"{_STUDY}/series", web.find_series, "QIDO-RS: series of a study")
    call(f"{_STUDY}/instances", web.find_instances, "QIDO-RS: instances of a study")
    call(f"{_SERIES}/instances", web.find_instances, "QIDO-RS: instances of a series")
    for place, what in ((_STUDY, "study"), (_SERIES, "series"), (_INSTANCE, "instance")):
        call(place, web.read_originals, f"WADO-RS: the DICOM files of a {what}")
        call(f"{place}/metadata", web.read_metadata, f"WADO-RS: DICOM JSON of a {what}")
    call(_FRAMES, web.read_frames, "WADO-RS: frames as bulk data")
    for place in (_SERIES, _INSTANCE, _FRAMES):
        call(f"{place}/rendered", web.read_picture, "WADO-RS: a picture")
        call(f"{place}/thumbnail", web.read_thumbnail, "WADO-RS: a small picture")
    return router


class DicomWeb:
    """The calls of this edge."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._images = parts.images

    async def find_studies(self, request: Request) -> Response:
        """`GET /studies?…`."""
        caller = self._caller(request)
        question = read_question(request.query_params.multi_items())
        found = await self._images.find(question.wanted, caller)
        return self._page(request, self._rows().studies(found, question), question.offset, question.limit)

    async def find_series(self, request: Request) -> Response:
        """`GET /series?…` and below a study."""
        caller = self._caller(request)
        question = read_question(request.query_params.multi_items(), self._study(request))
        found = await self._images.find(question.wanted, caller)
        rows = [row for one in found for row in self._rows().series(one, question)]
        return self._page(request, rows, question.offset, question.limit)

    async def find_instances(self, request: Request) -> Response:
        """`GET /instances?…` and below a study or a series: the only search that asks an archive."""
        caller = self._caller(request)
        series_uid = request.path_params.get("series", "")
        question = read_question(request.query_params.multi_items(), self._study(request), series_uid)
        rows: list[Row] = []
        make = self._rows()
        for one in await self._images.find(question.wanted, caller):
            series = [row["0020000E"]["Value"][0] for row in make.series(one, question)]
            if series and not isinstance(one.at, KnownStudy):  # no archive can be asked
                opening = await self._images.open(caller, one.at.study_uid, _decision(request))
                for uid in series:
                    with suppress(NotFound):  # a series that the archive has no more, or that was rejected since
                        listed = await self._images.list_instances(opening, uid)
                        rows += [make.instance(one.at.study_uid, uid, instance) for instance in listed]
        if question.sop_uids:
            rows = [row for row in rows if row["00080018"]["Value"][0] in question.sop_uids]
        return self._page(request, rows, question.offset, question.limit)

    async def read_originals(self, request: Request) -> Response:
        """The DICOM files of a study, a series or an instance."""
        place, opening, accepted = await self._opened(request)
        form = choose_form(accepted, DICOM, is_single=place.sop_uid is not None)
        return await stream(self._images.originals(opening, place, form.transfer_syntax), form, DICOM)

    async def read_frames(self, request: Request) -> Response:
        """Frames of an instance, uncompressed unless another transfer syntax is accepted."""
        numbers = _frames(request)
        place, opening, accepted = await self._opened(request)
        form = choose_form(accepted, BULK, is_single=len(numbers) == 1)
        pieces = self._images.frames(opening, place, numbers, form.transfer_syntax)
        return await stream(pieces, form, BULK)

    async def read_metadata(self, request: Request) -> Response:
        """DICOM JSON of all instances of a study, a series, or of one."""
        require_json(_accepted(request))
        place, opening, _ = await self._opened(request)
        return Response(await self._images.metadata(opening, place), media_type=JSON)

    async def read_picture(self, request: Request) -> Response:
        """A picture of a series, an instance or a frame (10.4.1.1.3)."""
        return await self._picture(request, is_thumbnail=False)

    async def read_thumbnail(self, request: Request) -> Response:
        """As `read_picture`, small and quick."""
        return await self._picture(request, is_thumbnail=True)

    async def _picture(self, request: Request, *, is_thumbnail: bool) -> Response:
        numbers = _frames(request) if "frames" in request.path_params else (None,)
        if len(numbers) > 1:
            raise InvalidInput("one picture cannot be given of this", [Fault("path frames", "one frame is expected")])
        if twice := [name for name in request.query_params if len(request.query_params.getlist(name)) > 1]:
            raise InvalidInput("the picture cannot be made", [Fault(f"query {name}", "given twice") for name in twice])
        view = read_view(request.query_params, choose_picture(_accepted(request)), is_thumbnail=is_thumbnail)
        place, opening, _ = await self._opened(request)
        drawn = await unless_left(request, self._images.picture(opening, place, numbers[0], view))
        if drawn is None:
            return Response(status_code=LEFT)

        async def left() -> None:
            await self._images.gave_picture(opening, drawn, numbers[0], view)

        return Response(drawn.body, media_type=view.media, background=BackgroundTask(left))

    async def _opened(self, request: Request) -> tuple[Place, Opening, list[Accepted]]:
        caller = self._caller(request)
        accepted = _accepted(request)
        place = _place(request)
        return place, await self._images.open(caller, place.study_uid, _decision(request)), accepted

    def _caller(self, request: Request) -> Caller:
        caller = self._parts.believe(request.headers.get("authorization"))
        caller.require(Role.CLINICIAN, Role.SYSTEM)
        return caller

    @staticmethod
    def _study(request: Request) -> str:
        return _place(request).study_uid if "study" in request.path_params else ""

    def _rows(self) -> Rows:
        base = self._parts.settings.public_url.rstrip("/") + ROOT
        return Rows(base, self._parts.reference.current_policy().network.zone)

    @staticmethod
    def _page(request: Request, rows: list[Row], offset: int, limit: int) -> Response:
        """The rows asked for; 204 where there are none (10.6.3)."""
        require_json(_accepted(request))
        page = rows[offset : offset + limit]
        return Response(msgspec.json.encode(page), media_type=JSON) if page else Response(status_code=204)


def _accepted(request: Request) -> list[Accepted]:
    return read_accept(request.headers.get("accept", ""), request.query_params.get("accept"))


def _place(request: Request) -> Place:
    """The UIDs of the path; what is no UID names nothing."""
    given = request.path_params
    try:
        return Place(given["study"], given.get("series"), given.get("instance"))
    except ValueError:
        raise NotFound("there is no such study, series or instance") from None


def _decision(request: Request) -> str | None:
    given = request.query_params.get("decision")
    if given is None:
        return None
    if not _DECISION.fullmatch(given.lower()):
        raise NotFound("there is no such study, or no decision of this institution offers it")
    return given.lower()


def _frames(request: Request) -> tuple[int, ...]:
    """The frames of the path: a list without duplicates (PS3.18 10.4.1)."""
    text = request.path_params["frames"]
    numbers = text.split(",")
    if not _FRAME_LIST.fullmatch(text) or len(set(numbers)) < len(numbers):
        expected = "numbers from 1, apart at commas, each once"
        raise InvalidInput("these frames cannot be given", [Fault("path frames", expected)])
    return tuple(map(int, numbers))
