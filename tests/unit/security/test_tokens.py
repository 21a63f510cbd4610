"""Tokens: what is believed, and what is not."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

import jwt
import pytest

from service.domain.errors import NotAuthenticated
from service.security.caller import Role
from service.security.keys import KeyRing
from service.security.tokens import Tokens, bearer

KEYS = KeyRing.generate()


class Clock:
    """Seconds since 1970 that a test moves."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def claims(**change: object) -> dict[str, object]:
    whole = {
        "iss": "testonce", "sub": "dr", "institution": "jl-central", "role": "clinician", "iat": 1,
        "exp": 2_000_000_000, "jti": "1",
    }  # fmt: skip
    return {key: value for key, value in (whole | change).items() if value is not ...}


def signed(**change: object) -> str:
    return jwt.encode(claims(**change), KEYS.signing_key, algorithm="EdDSA")


def test_token_says_who_calls() -> None:
    clock = Clock()
    tokens = Tokens(KEYS, clock)
    caller = tokens.verify(tokens.issue("jl-central", Role.SYSTEM, "his-1", 5))
    assert (caller.institution, caller.role, caller.actor) == ("jl-central", Role.SYSTEM, "his-1")


def test_remembered_token_expires_all_the_same() -> None:
    clock = Clock()
    tokens = Tokens(KEYS, clock)
    token = tokens.issue("jl-central", Role.CLINICIAN, "dr", 5)
    tokens.verify(token)
    clock.now += 299
    tokens.verify(token)
    clock.now += 1
    with pytest.raises(NotAuthenticated, match="expired"):
        tokens.verify(token)


@pytest.mark.parametrize("missing", ["iss", "sub", "institution", "role", "iat", "exp", "jti"])
def test_token_without_a_claim_is_refused(missing: str) -> None:
    with pytest.raises(NotAuthenticated):
        Tokens(KEYS, Clock()).verify(signed(**{missing: ...}))


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "other"},
        {"role": "root"},
        {"role": ["admin"]},
        {"institution": "../x"},
        {"institution": 7},
        {"sub": 7},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 10**400},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"nbf": 1_900_000_000},
        {"nbf": "soon"},
    ],
)
def test_token_with_a_wrong_claim_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(NotAuthenticated):
        Tokens(KEYS, Clock()).verify(signed(**change))


def test_unsigned_token_is_refused() -> None:
    parts = [urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in ({"alg": "none"}, claims())]
    with pytest.raises(NotAuthenticated):
        Tokens(KEYS, Clock()).verify(".".join([*parts, ""]))


def test_token_signed_with_the_public_key_as_a_secret_is_refused() -> None:
    secret = KEYS.verifying_key.public_bytes_raw()
    forged = jwt.encode(claims(), secret, algorithm="HS256")
    with pytest.raises(NotAuthenticated):
        Tokens(KEYS, Clock()).verify(forged)


def test_memory_of_tokens_is_bounded() -> None:
    tokens = Tokens(KEYS, Clock())
    for number in range(1030):
        tokens.verify(signed(jti=str(number)))
    assert len(tokens._known) <= 1024


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer  ", "Basic x", "x"])
def test_header_without_a_bearer_token_is_refused(given: str | None) -> None:
    with pytest.raises(NotAuthenticated):
        bearer(given)


def test_scheme_is_case_insensitive() -> None:
    assert bearer("bearer  abc") == "abc"
