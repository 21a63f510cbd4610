"""The mapping profile of a source: the hospital's own codes, and the item of the catalogue that each stands for.

    [profile]
    version = "2026-11-22"
    author = "检验科 王工"

    [[code]]
    system = "urn:oid:1.2.156.1000.7"
    code = "GLU"
    loinc = "14749-6"            # or item = "CT.CHEST"

Only what stands in a profile is understood: a local code that is in none stays not recognisable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from service.domain.catalogue import Catalogue, ItemCode
from service.domain.codes import LOINC, TESTONCE_ITEM
from service.reference.toml_rows import Row, TomlFile

_KEYS = ("system", "code", "loinc", "item", "says_contrast", "note")


@dataclass(frozen=True, slots=True)
class LocalCode:
    """A local code and the code it stands for: a LOINC code or the id of an item (`target_system` says which).
    `says_contrast`: whether the hospital has codes of its own for exams with and without contrast."""

    system: str
    code: str
    target_system: str
    target: str
    says_contrast: bool = True


@dataclass(frozen=True, slots=True)
class MappingProfile:
    """One version of a source's profile."""

    version: str
    author: str
    codes: tuple[LocalCode, ...]


def read_mapping(text: str, name: str, catalogue: Catalogue | None = None) -> MappingProfile:
    """The profile that `text` holds. Raises InvalidInput with every mistake and its place; with a `catalogue`, also
    where a target is none of its items, or where the catalogue itself knows a local code as something else."""
    file = TomlFile(text, name)
    file.check_names(("profile",), ("code",))
    version = author = None
    head = file.one("profile")
    if head is None:
        file.add(name, "[profile] with version and author is missing: a mapping is somebody's decision")
    else:
        head.check_keys(("version", "author", "note"), ("version", "author"))
        version, author = head.text("version"), head.text("author")
    codes: dict[tuple[str, str], LocalCode] = {}
    for row in file.many("code"):
        one = _code(row, catalogue)
        if one is None:
            continue
        if (one.system, one.code) in codes:
            row.fault("code", "it stands in this profile twice")
        codes[one.system, one.code] = one
    file.raise_faults()
    return MappingProfile(version or "", author or "", tuple(codes.values()))


def _code(row: Row, catalogue: Catalogue | None) -> LocalCode | None:
    row.check_keys(_KEYS, ("system", "code"))
    system, code, loinc, item = (row.text(key) for key in ("system", "code", "loinc", "item"))
    says = row.flag("says_contrast")
    if (loinc is None) == (item is None):
        row.fault("code", "expected one of loinc and item: what the code stands for")
        return None
    if system is None or code is None:
        return None
    key, target_system, target = ("loinc", LOINC, loinc) if loinc is not None else ("item", TESTONCE_ITEM, item)
    assert target is not None
    one = LocalCode(system.strip(), code.strip(), target_system, target, says is not False)
    if catalogue is not None and catalogue.find_item(target_system, target) is None:
        row.fault(key, "no item of the catalogue is known by it; see: testonce catalogue show")
        return None
    if catalogue is not None and _contradicts(one, catalogue):
        row.fault("code", f"the catalogue knows it as {catalogue.find_id(one.system, one.code)}: it may name one item")
        return None
    return one


def _contradicts(one: LocalCode, catalogue: Catalogue) -> bool:
    known = catalogue.find_id(one.system, one.code)
    return known is not None and known != catalogue.find_id(one.target_system, one.target)


def with_codes(catalogue: Catalogue, profiles: Iterable[MappingProfile]) -> Catalogue:
    """The catalogue as one hospital's records are read with it: its local codes added to the items they stand for.

    A code that two profiles give to two items, that the catalogue knows as another, or whose item is gone, is left out:
    its results stay not recognisable, which is safe."""
    wanted: dict[tuple[str, str], LocalCode | None] = {}
    for one in (one for profile in profiles for one in profile.codes):
        key = (one.system, one.code)
        agrees = key not in wanted or _same_item(wanted[key], one)
        wanted[key] = one if agrees else None
    added: dict[str, list[ItemCode]] = {}
    for local in wanted.values():
        if local is None or _contradicts(local, catalogue) or catalogue.find_id(local.system, local.code) is not None:
            continue
        item = catalogue.find_item(local.target_system, local.target)
        if item is not None:
            added.setdefault(item.id, []).append(_as_code(local, item.codes))
    if not added:
        return catalogue
    items = {
        key: replace(item, codes=(*item.codes, *added[key])) if key in added else item
        for key, item in catalogue.items.items()
    }
    return replace(catalogue, items=items)


def _same_item(other: LocalCode | None, one: LocalCode) -> bool:
    return other is not None and (other.target_system, other.target, other.says_contrast) == (
        one.target_system,
        one.target,
        one.says_contrast,
    )


def _as_code(local: LocalCode, known: Iterable[ItemCode]) -> ItemCode:
    """The local code with what its LOINC code says: some weigh another form of the analyte than the item."""
    twin = next((one for one in known if (one.system, one.code) == (local.target_system, local.target)), None)
    mass = twin.molar_mass if twin is not None else None
    says = local.says_contrast and (twin is None or twin.says_contrast)
    return ItemCode(local.system, local.code, "local", says, mass)
