"""What hospitals register of one woman and of those near her: the truth, with up to three fields said otherwise."""

from __future__ import annotations

from hypothesis import strategies as st

from service.domain.person import PatientFacts, PatientIdentifier
from tests.support.people import CARD, RESIDENT, resident

SISTER = resident(sequence="024")

SAID = {
    "name": ["李敏", "李 敏", "李旻", "LI^MIN", "王芳", "李敏之子", "无名氏", "李?", ""],
    "birth": ["1985-11-23", "1985-11-24", "1985", None],
    "sex": ["female", "male", None],
    "number": [resident(), SISTER, resident("19900101"), "22010219851123004", None],
    "phone": ["13912345677", "13912345688", None],
    "card": [None, "22010012345"],
}
"""What a registration may say; the first is the truth of one woman, and most registrations tell most of it."""


def facts_of(
    name: str, birth: str | None, sex: str | None, number: str | None, phone: str | None, card: str | None
) -> PatientFacts:
    """A registration that says this."""
    ids = tuple(PatientIdentifier(system, value) for system, value in ((RESIDENT, number), (CARD, card)) if value)
    return PatientFacts("k", "k", (name,) if name else (), birth, sex, ids, (phone,) if phone else ())


@st.composite
def registrations(draw: st.DrawFn) -> PatientFacts:
    """The truth with up to three fields said otherwise."""
    fields = st.sampled_from(list(SAID))
    other = draw(st.lists(fields, max_size=1) | st.lists(fields, max_size=3, unique=True))
    said = {field: draw(st.sampled_from(options)) if field in other else options[0] for field, options in SAID.items()}
    return facts_of(**said)
