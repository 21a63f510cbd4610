"""From what an order says to the items it asks for."""

from __future__ import annotations

from dataclasses import dataclass

from service.domain.catalogue import (
    CONTRAST_MODALITIES,
    MODALITY_ALIASES,
    TECHNIQUES_WITH_CONTRAST,
    Catalogue,
    Item,
)
from service.domain.order import ImagingOrder, Order


@dataclass(frozen=True, slots=True)
class ImagingNeed:
    """What an exam must show. `contrast` is "with", "none", or None where the order does not say; `needs_contrast`
    whether contrast matters at all, `needs_side` whether the region is paired."""

    modality: str
    region: str
    technique: str | None
    contrast: str | None
    needs_contrast: bool
    laterality: str | None
    needs_side: bool
    covers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order understood: its target (item or panel), the items that decide and those reused when found."""

    target: str
    required: tuple[Item, ...]
    optional: tuple[Item, ...] = ()
    imaging: ImagingNeed | None = None

    @property
    def items(self) -> tuple[Item, ...]:
        """Required, then optional."""
        return self.required + self.optional


def understand(order: Order, catalogue: Catalogue) -> Ordered | None:
    """The items an order asks for; None when nobody knows its code (`item-not-recognised`)."""
    if order.imaging is not None:
        return _understand_facts(order.imaging, catalogue)
    for code in order.codes:
        target = catalogue.find_id(code.system, code.code)
        if target is None:
            continue
        panel = catalogue.panels.get(target)
        if panel is not None:
            return Ordered(
                target,
                tuple(catalogue.items[one] for one in panel.required),
                tuple(catalogue.items[one] for one in panel.optional),
            )
        item = catalogue.items[target]
        if item.kind != "imaging":
            return Ordered(target, (item,))
        contrast = item.contrast if catalogue.says_contrast(code.system, code.code) else None
        return Ordered(target, (item,), imaging=_need(item, contrast, order.laterality, catalogue))
    return None


def _understand_facts(facts: ImagingOrder, catalogue: Catalogue) -> Ordered | None:
    modality = MODALITY_ALIASES.get(facts.modality.upper(), facts.modality.upper())
    technique = facts.technique.upper() if facts.technique else None
    wanted = ("none", "with") if not facts.contrast else ("with",)
    if technique in TECHNIQUES_WITH_CONTRAST:
        wanted = ("with", "none")
    elif facts.contrast is False:
        wanted = ("none",)
    # an item that knows no contrast (a film, an ultrasound) is not what an order with contrast asks for
    kinds = wanted if facts.contrast and "none" not in wanted else (*wanted, None)
    for region in _same_region(facts.region.upper(), catalogue):
        for contrast in kinds:
            item = catalogue.imaging_items.get((modality, region, technique, contrast))
            if item is not None:
                said = None if facts.contrast is None else ("with" if facts.contrast else "none")
                return Ordered(item.id, (item,), imaging=_need(item, said, facts.laterality, catalogue))
    return None


def _same_region(region: str, catalogue: Catalogue) -> tuple[str, ...]:
    """The region, then those that cover it and are covered by it (HEAD and BRAIN)."""
    mutual = (one for one in catalogue.covered_regions(region) if region in catalogue.covered_regions(one))
    return (region, *sorted(one for one in mutual if one != region))


def _need(item: Item, contrast: str | None, laterality: str | None, catalogue: Catalogue) -> ImagingNeed:
    # CTA, CTPA and CTU are enhanced by definition: the technique, which must be equal anyway, says it
    needs_contrast = item.modality in CONTRAST_MODALITIES and item.technique not in TECHNIQUES_WITH_CONTRAST
    return ImagingNeed(
        item.modality, item.region, item.technique,
        contrast if needs_contrast else None, needs_contrast,
        laterality, catalogue.is_paired(item.region), item.covers,
    )  # fmt: skip
