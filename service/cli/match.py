"""`testonce match`: asks the desk as the REST call does, and shows the answer."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from datetime import tzinfo
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from service.cli.console import open_console
from service.domain.codes import LOINC, TESTONCE_ITEM, is_loinc
from service.domain.errors import Fault, InvalidInput
from service.domain.times import Precision, parse_when

if TYPE_CHECKING:
    from service.domain.catalogue import Catalogue

_ORDER = re.compile(r"(?:(?P<system>.+)\|)?(?P<code>[^|:][^|]*?)(?::(?P<side>[LRBlrb]))?")


def match(
    institution: Annotated[str, typer.Option(help="The ordering institution's id in the network file.")],
    patient_id: Annotated[str, typer.Option("--patient-id", metavar="SYSTEM|VALUE", help="The patient's identifier.")],
    order: Annotated[
        list[str],
        typer.Option(
            metavar="CODE",
            help="What is ordered: a LOINC code (58410-2), an item (CT.CHEST), a side after a colon (MR.KNEE:L), or "
            "SYSTEM|CODE. Repeat for several.",
        ),
    ],
    at: Annotated[str | None, typer.Option(metavar="TIME", help="When it is ordered (RFC 3339). Default: now.")] = None,
    name: Annotated[str | None, typer.Option(help="The patient's name, where the institution has no record.")] = None,
    birth_date: Annotated[str | None, typer.Option("--birth-date", metavar="YYYY-MM-DD")] = None,
    sex: Annotated[str | None, typer.Option(help="male, female, other or unknown.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The answer as POST /api/v1/match gives it.")] = False,
    lang: Annotated[str | None, typer.Option(help="zh or en. Default: the locale's, else the setting's.")] = None,
) -> None:
    """What can be reused for an order, what must be repeated, and why."""
    import msgspec

    from service.bootstrap import open_parts
    from service.cli.local import local_caller, require_institution
    from service.cli.match_view import render_decision
    from service.security.caller import Role
    from service.settings import load_settings

    body = build_body(patient_id, order, at=at, name=name, birth_date=birth_date, sex=sex)
    settings = load_settings()
    language = choose_language(lang, os.environ, settings.language)
    parts = open_parts(settings)
    try:
        policy = parts.reference.current_policy()
        require_institution(policy.network.institution_by_id, institution)
        if at is not None:
            body["orderedAt"] = with_offset(at, policy.network.zone)
        answer = parts.desk.decide(body, local_caller(institution, Role.CLINICIAN))
        for hint in hints(body["orders"], policy.catalogue):
            typer.echo(hint, err=True)
        if as_json:
            typer.echo(answer.decode())
        else:
            console = open_console(highlight=True)
            render_decision(msgspec.json.decode(answer), language, console, policy.catalogue)
    finally:
        parts.close()


def build_body(
    patient_id: str, orders: list[str], *, at: str | None, name: str | None, birth_date: str | None, sex: str | None
) -> dict[str, Any]:
    """The body of `POST /api/v1/match` that the options stand for. InvalidInput names the option at fault."""
    system, bar, value = patient_id.rpartition("|")
    if not bar or not value.strip():
        raise InvalidInput(
            "the patient cannot be read",
            [Fault("--patient-id", "write SYSTEM|VALUE, as 'urn:oid:2.16.156.10011.1.3|…'; quote it in a shell")],
        )
    patient = {
        "identifiers": [{"system": system, "value": value}], "name": name, "birthDate": birth_date, "sex": sex,
    }  # fmt: skip
    return {
        "patient": {key: given for key, given in patient.items() if given is not None},
        "orders": [read_order(f"o{number}", text) for number, text in enumerate(orders, 1)],
        **({"orderedAt": at} if at is not None else {}),
    }


def with_offset(text: str, zone: tzinfo) -> str:
    """A time as RFC 3339 has it; one that carries no offset counts in the network's zone. InvalidInput names --at."""
    try:
        when = parse_when(text.upper(), zone)
    except ValueError:
        when = None
    if when is None or when.precision is not Precision.MOMENT:
        raise InvalidInput(
            "the time cannot be read", [Fault("--at", "a date with its time is expected, as 2026-11-22T10:00:00+08:00")]
        )
    return when.start.isoformat()


def read_order(order_id: str, text: str) -> dict[str, Any]:
    """One `--order`: `CODE`, `SYSTEM|CODE`, each with `:L`, `:R` or `:B` behind it for the side.

    A code alone is LOINC when its check digit fits, else an item or panel id of the catalogue. Neither has a colon,
    so what stands behind one must be a side: else InvalidInput, lest a side be taken for part of an unknown code.
    """
    found = _ORDER.fullmatch(text.strip())
    if found is None:
        raise InvalidInput("an order cannot be read", [Fault("--order", f"{text!r}: write CODE or SYSTEM|CODE")])
    code = found["code"]
    system = found["system"] or (LOINC if is_loinc(code) else TESTONCE_ITEM)
    if ":" in code and system in (LOINC, TESTONCE_ITEM):
        raise InvalidInput("an order cannot be read", [Fault("--order", f"{text!r}: the side must be L, R or B")])
    order: dict[str, Any] = {"id": order_id, "code": {"system": system, "code": code}}
    if found["side"]:
        order["laterality"] = found["side"].upper()
    return order


def hints(orders: list[dict[str, Any]], catalogue: Catalogue) -> Iterator[str]:
    """A line for each order that is no id of the catalogue but close to one. Not for LOINC codes: two valid ones
    that look alike are two tests, not one misspelled."""
    import difflib

    ids = {one.upper(): one for one in (*catalogue.items, *catalogue.panels)}
    for system, code in ((order["code"]["system"], order["code"]["code"]) for order in orders):
        if system == TESTONCE_ITEM and catalogue.find_id(system, code) is None:
            for near in difflib.get_close_matches(code.upper(), ids, 1, cutoff=0.8):
                yield f"testonce: {code} is not in the catalogue; did you mean {ids[near]}?"


def choose_language(asked: str | None, environment: Mapping[str, str], default: Literal["zh", "en"]) -> str:
    """`asked`, else the language of the locale (POSIX: LC_ALL, LC_MESSAGES, LANG), else the setting."""
    if asked is not None:
        if asked not in ("zh", "en"):
            raise InvalidInput("the language is not known", [Fault("--lang", "zh or en is expected")])
        return asked
    locale = next((value for key in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environment.get(key))), "")
    return next((one for one in ("zh", "en") if locale.lower().startswith(one)), default)
