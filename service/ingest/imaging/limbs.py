"""The parts of limbs, joints and the spine, by the coarser region whose name stands for any of them."""

from __future__ import annotations

from service.ingest.imaging.lexicon import Token

_ARM = "UPPERARM HUMERUS ELBOW FOREARM RADIUS ULNA WRIST CARPUS HAND FINGER THUMB SHOULDER CLAVICLE SCAPULA"
_LEG = "HIP THIGH FEMUR KNEE PATELLA LOWERLEG TIBIA FIBULA ANKLE FOOT CALCANEUS TOE"

LIMB_PARTS = {
    "UPPERLIMB": frozenset(_ARM.split()),
    "LOWERLIMB": frozenset(_LEG.split()),
    "EXTREMITY": frozenset([*_ARM.split(), *_LEG.split(), "UPPERLIMB", "LOWERLIMB"]),
    "SHOULDER": frozenset({"ACJOINT", "SCAPULA"}),
    "HAND": frozenset({"FINGER", "THUMB", "CARPUS"}),
    "WRIST": frozenset({"CARPUS"}),
    "FINGER": frozenset({"THUMB"}),
    "KNEE": frozenset({"PATELLA"}),
    "ANKLE": frozenset({"CALCANEUS"}),
    "FOOT": frozenset({"CALCANEUS", "TOE"}),
    "SPINE": frozenset({"CSPINE", "TSPINE", "LSPINE", "SSPINE", "COCCYX", "CTSPINE", "TLSPINE", "LSSPINE"}),
}


def as_parts(text: str, tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """The tokens, a limb or joint that is right before a part of it read as that part: 左手舟骨 is the scaphoid, not
    the hand; RLE KNEE and LOWER EXTREMITY RIGHT KNEE are the knee, SPINE LUMBAR is not the whole spine."""
    merged: list[Token] = []
    for token in tokens:
        coarse = _last_region(text, merged, token) if token.kind == "region" else None
        if coarse is not None and token.value in LIMB_PARTS.get(coarse.value, ()):
            merged.remove(coarse)
            token = token._replace(start=coarse.start)
        merged.append(token)
    return tuple(merged)


def _last_region(text: str, earlier: list[Token], token: Token) -> Token | None:
    """The region that only blanks and a side part from this one."""
    start = token.start
    for one in reversed(earlier):
        if one.end <= start and text[one.end : start].strip():
            return None
        if one.kind == "region":
            return one
        if one.kind != "side":
            return None
        start = min(start, one.start)
    return None
