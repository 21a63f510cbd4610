"""Mapping profiles where they are needed again: every version is kept, so that what was pulled can be read again later
by any command, also where the file is not at hand.

A profile holds for all records of its institution: a report of one system is made of results that another one gave.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec
from sqlalchemy import Connection

from service.domain.catalogue import Catalogue
from service.domain.errors import InvalidInput
from service.reference.mapping_file import read_mapping, with_codes
from service.registry import reference_store
from service.registry.database import Database
from service.source_settings import SourceSettings

KIND = "mapping"


class _Kept(msgspec.Struct, frozen=True):
    institution: str
    text: str


_KEPT = msgspec.json.Decoder(dict[str, _Kept])


def apply(database: Database, settings: SourceSettings, catalogue: Catalogue, *, keep: bool) -> Catalogue:
    """The catalogue as the source's records are read with it, under the profile that its settings name now. `keep`:
    it is the one in force from now on (none where the settings name none). Raises InvalidInput with every mistake in
    it: the one before stays in force."""
    text = _read(settings.mapping) if settings.mapping is not None else None
    if text is not None:
        read_mapping(text, str(settings.mapping), catalogue)
    wanted = None if text is None else _Kept(settings.institution, text)
    with database.read() as conn:
        kept = _kept(conn)
    if kept.get(settings.name) != wanted:
        kept = _with(kept, settings.name, wanted)
        if keep:
            _save(database, settings.name, wanted)
    return _overlaid(kept, settings.institution, catalogue)


def catalogue_for(database: Database, institution: str, catalogue: Catalogue) -> Catalogue:
    """The catalogue as the records of this institution are read with it: with the local codes of its profiles."""
    with database.read() as conn:
        return _overlaid(_kept(conn), institution, catalogue)


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


def _overlaid(kept: Mapping[str, _Kept], institution: str, catalogue: Catalogue) -> Catalogue:
    own = [read_mapping(one.text, name) for name, one in kept.items() if one.institution == institution]
    return with_codes(catalogue, own) if own else catalogue


def _read(path: Path) -> str:
    try:
        return path.expanduser().read_text("utf-8")
    except OSError as error:
        raise InvalidInput(f"the mapping profile {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"the mapping profile {path} is not UTF-8") from None
