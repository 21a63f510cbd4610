"""A hospital's own code for haemoglobin, and the catalogue that knows it."""

from __future__ import annotations

from typing import Any

from service.domain.catalogue import Catalogue
from service.reference.catalogue_file import merge_catalogue, package_files, read_catalogue
from tests.support.fhir import observation

LOCAL = "urn:h1:codes"
HAEMOGLOBIN = {"coding": [{"system": LOCAL, "code": "HGB"}]}
CODES = f"item,system,code,relation,says_contrast,name\n718-7,{LOCAL},HGB,equivalent,yes,血红蛋白\n"


def knowing(csv_text: str = CODES) -> Catalogue:
    """The catalogue with these rows."""
    return read_catalogue(merge_catalogue(package_files(), csv_text, "mine.csv"))


def local(id: str = "o1", **more: Any) -> dict[str, Any]:
    """A haemoglobin under the local code."""
    return observation(id, code=HAEMOGLOBIN, **more)
