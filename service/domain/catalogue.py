"""The catalogue: what can be recognised, the codes it is known by, and the regions imaging speaks of."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property

from service.domain.codes import TESTONCE_ITEM, Code
from service.domain.times import Duration


@dataclass(frozen=True, slots=True)
class ItemCode:
    """A code an item is known by. `says_contrast`: whether the code itself says plain or enhanced.

    `molar_mass` (g/mol) is given where the code weighs another form of the analyte than the item does: 28.013 for a
    urea reported as urea nitrogen. Such a code converts from mass units only.
    """

    system: str
    code: str
    relation: str = "equivalent"  # equivalent | mass | molar | method | local
    says_contrast: bool = True
    molar_mass: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that can be recognised (contract, section 3).

    `unit` is the canonical UCUM unit ("" when the value has none), `contrast` is "with", "none" or None where
    contrast does not apply, `dose_msv` the typical effective dose, `molar_mass` in g/mol where mass and molar
    units both occur, `covers` the regions inside its own that an exam of it also answers. `mass_only`: read by a
    code that weighs another form of the analyte, so that only mass units convert (see ItemCode.molar_mass).
    """

    id: str
    kind: str  # lab | imaging
    name_zh: str
    name_en: str
    window: Duration
    unit: str = ""
    specimen: str = ""
    modality: str = ""
    region: str = ""
    technique: str | None = None
    contrast: str | None = None
    volatile: bool = False
    method_dependent: bool = False
    sensitive: bool = False
    dose_msv: float | None = None
    molar_mass: Decimal | None = None
    covers: tuple[str, ...] = ()
    codes: tuple[ItemCode, ...] = ()
    confidence: str = ""
    source: str = ""
    mass_only: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel and its member items; only the required ones decide."""

    id: str
    name_zh: str
    name_en: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    codes: tuple[ItemCode, ...] = ()

    @property
    def members(self) -> tuple[str, ...]:
        """Required, then optional."""
        return self.required + self.optional


@dataclass(frozen=True, slots=True)
class Region:
    """A body region: a DICOM body part (PS3.16 Annex L) or one of ours; `contains` is our own judgement."""

    id: str
    name_zh: str
    name_en: str
    contains: tuple[str, ...] = ()
    paired: bool = False
    codes: tuple[Code, ...] = ()
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Catalogue:
    """All items, panels and regions of one version. `version` names the content."""

    version: str
    items: dict[str, Item]
    panels: dict[str, Panel]
    regions: dict[str, Region] = field(default_factory=dict)

    @cached_property
    def _by_code(self) -> dict[tuple[str, str], str]:
        found: dict[tuple[str, str], str] = {}
        known: list[Item | Panel] = [*self.items.values(), *self.panels.values()]
        for one in known:
            found[TESTONCE_ITEM, one.id] = one.id
            for code in one.codes:
                found[code.system, code.code] = one.id
        return found

    def find_id(self, system: str, code: str) -> str | None:
        """The id of the item or panel known by this code, if any. A bare code (system "") matches nothing."""
        return self._by_code.get((system, code))

    def find_item(self, system: str, code: str) -> Item | None:
        """The item known by this code, if any; with the molar mass of the code where that has its own."""
        return self._weighed.get((system, code)) or self.items.get(self._by_code.get((system, code), ""))

    @cached_property
    def _weighed(self) -> dict[tuple[str, str], Item]:
        return {
            (code.system, code.code): replace(item, molar_mass=code.molar_mass, mass_only=True)
            for item in self.items.values()
            for code in item.codes
            if code.molar_mass is not None
        }

    def says_contrast(self, system: str, code: str) -> bool:
        """Whether this code of an imaging item itself says plain or enhanced."""
        item = self.find_item(system, code)
        return item is not None and all(
            one.says_contrast for one in item.codes if (one.system, one.code) == (system, code)
        )

    @cached_property
    def panels_of(self) -> dict[str, tuple[str, ...]]:
        """For each item the panels it is a member of; a panel id in a certificate or window stands for its members."""
        found: defaultdict[str, list[str]] = defaultdict(list)
        for panel in self.panels.values():
            for member in panel.members:
                found[member].append(panel.id)
        return {key: tuple(value) for key, value in found.items()}

    def names_of(self, item: str) -> tuple[str, ...]:
        """The item's own id and the ids of the panels that stand for it."""
        return (item, *self.panels_of.get(item, ()))

    @cached_property
    def imaging_items(self) -> dict[tuple[str, str, str | None, str | None], Item]:
        """Imaging items by modality, region, technique and contrast ("with", "none" or None)."""
        return {
            (one.modality, one.region, one.technique, one.contrast): one
            for one in self.items.values()
            if one.kind == "imaging"
        }

    @cached_property
    def _closure(self) -> dict[str, frozenset[str]]:
        closed: dict[str, frozenset[str]] = {}

        def close(region: str, seen: frozenset[str]) -> frozenset[str]:
            if region in seen or region not in self.regions:
                return frozenset({region})
            inner = (close(part, seen | {region}) for part in self.regions[region].contains)
            return frozenset({region}).union(*inner)

        for region in self.regions:
            closed[region] = close(region, frozenset())
        return closed

    def covered_regions(self, region: str) -> frozenset[str]:
        """The regions an exam of `region` shows: itself and, transitively, what it contains."""
        return self._closure.get(region, frozenset({region}))

    def parts_of(self, region: str) -> tuple[str, ...]:
        """The regions that together make up a combined region; a simple one is its own only part."""
        found = self.regions.get(region)
        return found.contains if found and len(found.contains) > 1 else (region,)

    def is_paired(self, region: str) -> bool:
        """Whether the side matters for this region."""
        return region in self.regions and self.regions[region].paired

    def find_region(self, system: str, code: str) -> str | None:
        """The region a coded body site names (SNOMED CT, SRT, FMA…), if any."""
        return self._region_by_code.get((system, code))

    @cached_property
    def _region_by_code(self) -> dict[tuple[str, str], str]:
        return {(c.system, c.code): one.id for one in self.regions.values() for c in one.codes}


MODALITY_ALIASES = {"CR": "DX", "RG": "DX", "XR": "DX", "DR": "DX", "PET": "PT", "MRI": "MR"}
"""CR, DX and RG are one modality, written DX (contract, section 3)."""

CONTRAST_MODALITIES = frozenset({"CT", "MR"})
"""The modalities whose items differ by contrast in the catalogue."""

IMAGE_MODALITIES = frozenset({"CT", "MR", "DX", "MG", "US", "NM", "PT"})
"""The modalities whose images must be at hand for reuse (contract, reason images-unavailable)."""

TECHNIQUES_WITH_CONTRAST = frozenset({"A", "CTPA", "U"})
"""Techniques that imply contrast for CT; such ids carry no `.C` (contract, section 3)."""

__all__ = [
    "CONTRAST_MODALITIES",
    "IMAGE_MODALITIES",
    "MODALITY_ALIASES",
    "TECHNIQUES_WITH_CONTRAST",
    "Catalogue",
    "Item",
    "ItemCode",
    "Panel",
    "Region",
]
