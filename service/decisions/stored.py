"""The catalogue in force, as it is stored."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from service.domain.catalogue import Catalogue
from service.domain.errors import Unavailable
from service.reference.catalogue_file import read_catalogue
from service.registry import reference_store


def current_files(conn: Connection) -> dict[str, str]:
    """The catalogue files in force; Unavailable before `testonce init`."""
    found = reference_store.current(conn, "catalogue")
    if found is None:
        raise Unavailable("no catalogue is loaded; run: testonce init")
    return msgspec.json.decode(found[1], type=dict[str, str])


def current_catalogue(conn: Connection) -> Catalogue:
    """The catalogue in force; Unavailable before `testonce init`."""
    return read_catalogue(current_files(conn))
