"""Feedback (CDS Hooks 2.0, Feedback): what the clinician did with a card becomes a recognition."""

from __future__ import annotations

from typing import Any

from service.domain.errors import Contradiction, Fault, InvalidInput, NotFound
from service.edge.parts import Parts
from service.recognition.form import NOTE_LENGTH
from service.recognition.ids import derived_id
from service.recognition.prompts import Prompt
from service.recognition.reasons import REASONS
from service.security.caller import Caller

_MOST = 500
NO_REASON = "no reason was given"


def record_feedback(parts: Parts, body: object, caller: Caller) -> None:
    """Records every entry; repeating the same feedback changes nothing.

    Raises InvalidInput before anything is recorded, Contradiction after all else was, when a card was answered
    differently before.
    """
    given = body.get("feedback") if isinstance(body, dict) else None
    if not isinstance(given, list) or not given or len(given) > _MOST:
        raise InvalidInput("this is no feedback", [Fault("/feedback", f"a list of 1 to {_MOST} entries is expected")])
    regional = dict(parts.reference.current_policy().network.repeat_reasons)
    faults: list[Fault] = []
    forms = [_form(parts, one, f"/feedback/{index}", caller, regional, faults) for index, one in enumerate(given)]
    if faults:
        raise InvalidInput("the feedback has faults", faults)
    contradicted: Contradiction | None = None
    for form in forms:
        try:
            parts.recognitions.record(form, caller)
        except Contradiction as error:
            contradicted = error
    if contradicted is not None:
        raise contradicted


def _form(
    parts: Parts, entry: object, at: str, caller: Caller, regional: dict[str, str], faults: list[Fault]
) -> dict[str, Any]:
    """The recognition an entry stands for; its faults are added to `faults`."""
    if not isinstance(entry, dict):
        faults.append(Fault(at, "an object is expected"))
        return {}
    try:
        prompt = parts.recognitions.find_card(str(entry.get("card")), caller)
    except NotFound as error:
        faults.append(Fault(f"{at}/card", str(error)))
        return {}
    form: dict[str, Any] = {"decisionId": prompt.decision_id, "orderId": prompt.order_id}
    outcome = entry.get("outcome")
    if outcome == "accepted":
        _check_suggestions(entry.get("acceptedSuggestions"), prompt, at, faults)
        return form | {"action": "recognised"}
    if outcome == "overridden":
        return form | {"action": "repeated"} | _why(entry.get("overrideReason"), at, regional, faults)
    faults.append(Fault(f"{at}/outcome", "must be accepted or overridden"))
    return form


def _check_suggestions(accepted: object, prompt: Prompt, at: str, faults: list[Fault]) -> None:
    known = derived_id(prompt.decision_id, prompt.order_id, "suggestion")
    ids = [one.get("id") for one in accepted if isinstance(one, dict)] if isinstance(accepted, list) else []
    if not ids or any(one != known for one in ids):
        faults.append(Fault(f"{at}/acceptedSuggestions", "must name the suggestion of this card"))


def _why(why: object, at: str, regional: dict[str, str], faults: list[Fault]) -> dict[str, Any]:
    """Reason and note. A reason of another code system, or none, is `other` with a note that says so: nothing is
    made up, and nothing is lost."""
    if why is not None and not isinstance(why, dict):
        faults.append(Fault(f"{at}/overrideReason", "an object is expected"))
        return {}
    reason, comment = (why or {}).get("reason"), (why or {}).get("userComment")
    comment = comment if isinstance(comment, str) and comment.strip() else ""
    if len(comment) > NOTE_LENGTH:
        faults.append(Fault(f"{at}/overrideReason/userComment", f"must not be longer than {NOTE_LENGTH} characters"))
    code = str(reason.get("code", "")) if isinstance(reason, dict) else ""
    if code in REASONS or code in regional:
        needs_note = REASONS[code if code in REASONS else regional[code]].needs_note
        note = comment or (NO_REASON if needs_note else "")
        return {"reasons": [code], **({"note": note} if note else {})}
    foreign = (
        f"{reason.get('system', '')}|{code} {reason.get('display', '')}".strip() if isinstance(reason, dict) else ""
    )
    note = ": ".join(one for one in (foreign, comment) if one) or NO_REASON
    return {"reasons": ["other"], "note": note[:NOTE_LENGTH]}
