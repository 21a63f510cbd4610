"""How a hospital's records are to be read, kept where it is needed again: mapping profiles with every version, and the
time zone. So what was pulled can be read again later by any command, also where the settings are not at hand.

Both hold for all records of an institution: a report of one system is made of results that another one gave.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from service.domain.catalogue import Catalogue
from service.domain.errors import InvalidInput
from service.domain.network import Network
from service.reference.mapping_file import read_mapping, with_codes
from service.registry import reference_store
from service.registry.database import Database
from service.source_settings import SourceSettings

KIND = "mapping"


class _Kept(msgspec.Struct, frozen=True):
    institution: str
    text: str = ""
    timezone: str = ""


_KEPT = msgspec.json.Decoder(dict[str, _Kept])


def apply(
    database: Database, settings: SourceSettings, catalogue: Catalogue, network: Network, *, keep: bool
) -> tuple[Catalogue, Network]:
    """Catalogue and network as the source's records are read with them, under the profile and the time zone that its
    settings name now. `keep`: these are the ones in force from now on. Raises InvalidInput with every mistake in the
    profile, and where the institution's sources state different time zones: what was in force stays."""
    text = _read(settings.mapping) if settings.mapping is not None else ""
    if settings.mapping is not None:
        read_mapping(text, str(settings.mapping), catalogue)
    wanted = _Kept(settings.institution, text, settings.timezone or "") if text or settings.timezone else None
    with database.read() as conn:
        kept = _kept(conn)
    if kept.get(settings.name) != wanted:
        kept = _with(kept, settings.name, wanted)
        if len(zones := _zones(kept, settings.institution)) > 1:
            raise InvalidInput(
                f"the sources of {settings.institution} state different time zones: {', '.join(sorted(zones))}"
            )
        if keep:
            _save(database, settings.name, wanted)
    return _overlaid(kept, settings.institution, catalogue, network)


def reading_for(
    database: Database, institution: str, catalogue: Catalogue, network: Network
) -> tuple[Catalogue, Network]:
    """Catalogue and network as the records of this institution are read with them: with the local codes of its
    profiles, and with its own time zone for times that carry no offset."""
    with database.read() as conn:
        return _overlaid(_kept(conn), institution, catalogue, network)


def _save(database: Database, source: str, wanted: _Kept | None) -> None:
    with database.write() as conn:
        database.lock(conn, "mapping profiles")
        body = msgspec.json.encode(_with(_kept(conn), source, wanted)).decode()
        reference_store.save(conn, KIND, hashlib.sha256(body.encode()).hexdigest()[:16], body)


def _with(kept: Mapping[str, _Kept], source: str, wanted: _Kept | None) -> dict[str, _Kept]:
    """The profiles with that of one source replaced, by name."""
    others = {name: one for name, one in kept.items() if name != source}
    return dict(sorted((others | ({source: wanted} if wanted is not None else {})).items()))


def _kept(conn: Connection) -> dict[str, _Kept]:
    found = reference_store.current(conn, KIND)
    return {} if found is None else _KEPT.decode(found[1])


def _overlaid(
    kept: Mapping[str, _Kept], institution: str, catalogue: Catalogue, network: Network
) -> tuple[Catalogue, Network]:
    own = [read_mapping(one.text, name) for name, one in kept.items() if one.institution == institution and one.text]
    zones = _zones(kept, institution)
    if len(zones) == 1:
        network = replace(network, timezone=zones.pop())
    return with_codes(catalogue, own), network


def _zones(kept: Mapping[str, _Kept], institution: str) -> set[str]:
    return {one.timezone for one in kept.values() if one.institution == institution and one.timezone}


def _read(path: Path) -> str:
    try:
        return path.expanduser().read_text("utf-8")
    except OSError as error:
        raise InvalidInput(f"the mapping profile {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"the mapping profile {path} is not UTF-8") from None
