"""The paths of CDS Hooks."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Request, Response

from service.cds_hooks.cards import make_cards
from service.cds_hooks.discovery import ORDER_SIGN, SERVICES
from service.cds_hooks.feedback import record_feedback
from service.cds_hooks.order_sign import read_order_sign
from service.domain.errors import Fault, InvalidInput
from service.edge.body import read_json
from service.edge.parts import Parts
from service.security.caller import Caller, Role

_PLACES = (
    ("/patient", "/prefetch/patient"),
    ("/encounter", "/prefetch/encounter"),
    ("/orders", "/context/draftOrders"),
)


def routes(parts: Parts) -> APIRouter:
    """The router of this edge."""
    router = APIRouter()

    @router.get("/cds-services", summary="CDS Hooks discovery", response_model=None)
    async def discover() -> Response:
        return _json({"services": SERVICES})

    @router.post(f"/cds-services/{ORDER_SIGN}", summary="Cards for the orders about to be signed", response_model=None)
    async def order_sign(request: Request) -> Response:
        caller = parts.believe(request.headers.get("authorization"))
        caller.require(Role.CLINICIAN, Role.SYSTEM)
        body = await read_json(request.scope, request.receive, parts.settings.max_body_bytes)
        lang = choose_language(request.headers.get("accept-language", ""), parts.settings.language)
        return _json(await parts.run(_answer, parts, body, caller, lang))

    @router.post(f"/cds-services/{ORDER_SIGN}/feedback", summary="What became of cards", response_model=None)
    async def feedback(request: Request) -> Response:
        caller = parts.believe(request.headers.get("authorization"))
        caller.require(Role.CLINICIAN, Role.SYSTEM)
        body = await read_json(request.scope, request.receive, parts.settings.max_body_bytes)
        await parts.run(record_feedback, parts, body, caller)
        return Response(status_code=200)

    return router


def _answer(parts: Parts, body: object, caller: Caller, lang: str) -> dict[str, object]:
    catalogue = parts.reference.current_policy().catalogue
    asked = read_order_sign(body, catalogue)
    if asked.body is None:
        return {"cards": []}
    try:
        answer = msgspec.json.decode(parts.desk.decide(asked.body, caller))
    except InvalidInput as error:  # its places are those of the match body we made
        raise InvalidInput("the request cannot be used", [_placed(fault) for fault in error.faults]) from None
    return {"cards": make_cards(answer, asked.drafts, catalogue, lang)}


def _placed(fault: Fault) -> Fault:
    for ours, theirs in _PLACES:
        if fault.pointer.startswith(ours):
            return Fault(theirs, fault.message)
    return fault


def choose_language(accept: str, default: str) -> str:
    """zh or en, whichever an Accept-Language header (RFC 9110, 12.5.4) prefers; else the default."""
    weighed = []
    for place, one in enumerate(accept.split(",")):
        tag, _, quality = one.strip().lower().partition(";q=")
        try:
            weighed.append((-float(quality or 1), place, tag[:2]))
        except ValueError:
            continue
    return next((tag for weight, _, tag in sorted(weighed) if weight and tag in ("zh", "en")), default)


def _json(body: object) -> Response:
    return Response(msgspec.json.encode(body), media_type="application/json")
