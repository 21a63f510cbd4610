"""Bearer tokens of `testonce token`: JWT (RFC 7519) signed with EdDSA (RFC 8037) by the installation's own key."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable

import jwt

from service.domain.errors import NotAuthenticated
from service.security.caller import Caller, Role
from service.security.keys import KeyRing

ISSUER = "testonce"
_ALGORITHM = "EdDSA"
_REQUIRED = ["iss", "sub", "institution", "role", "iat", "exp", "jti"]
_REMEMBERED = 1024
_LONGEST = 4096
_INSTITUTION = re.compile(r"[a-z0-9-]{1,64}")


class Tokens:
    """Issues tokens and believes them. Thread-safe.

    Verifying a signature costs some 100 microseconds, so tokens found good are remembered; their expiry is looked
    at every time. `clock` gives seconds since 1970.
    """

    def __init__(self, keys: KeyRing, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._clock = clock
        self._known: OrderedDict[str, tuple[Caller, float]] = OrderedDict()
        self._lock = threading.Lock()

    def issue(self, institution: str, role: Role, actor: str, minutes: float) -> str:
        """A token for `actor` of `institution`, valid for `minutes` from now."""
        now = int(self._clock())
        claims = {
            "iss": ISSUER,
            "sub": actor,
            "institution": institution,
            "role": role.value,
            "iat": now,
            "exp": now + round(minutes * 60),
            "jti": str(uuid.uuid4()),
        }
        return jwt.encode(claims, self._keys.signing_key, algorithm=_ALGORITHM)

    def verify(self, token: str) -> Caller:
        """Who the token speaks for; NotAuthenticated when it is malformed, expired or not ours."""
        with self._lock:
            known = self._known.get(token)
        caller, expires = known or self._read(token)
        if self._clock() >= expires:
            raise NotAuthenticated("the token has expired; ask for a new one")
        if known is None:
            with self._lock:
                self._known[token] = caller, expires
                while len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return caller

    def _read(self, token: str) -> tuple[Caller, float]:
        if len(token) > _LONGEST:
            raise NotAuthenticated("the token is not valid here")
        try:
            claims = jwt.decode(
                token,
                self._keys.verifying_key,
                algorithms=[_ALGORITHM],  # never taken from the token itself (RFC 8725, 3.1)
                issuer=ISSUER,
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
            role = Role(claims["role"])
            institution, actor, expires = claims["institution"], claims["sub"], claims["exp"]
        except (jwt.PyJWTError, ValueError):
            raise NotAuthenticated("the token is not valid here") from None
        if not (isinstance(institution, str) and _INSTITUTION.fullmatch(institution)):
            raise NotAuthenticated("the token names no institution")
        if not (_is_time(expires) and isinstance(actor, str)):
            raise NotAuthenticated("the token is not valid here")
        starts = claims.get("nbf", 0)
        if not _is_time(starts) or starts > self._clock():
            raise NotAuthenticated("the token is not valid yet")
        return Caller(institution, role, actor[:200]), float(expires)


def _is_time(value: object) -> bool:
    """Whether it is a NumericDate (RFC 7519, 2); NaN would never expire."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53


def bearer(authorization: str | None) -> str:
    """The token of an Authorization header (RFC 6750, 2.1); NotAuthenticated when there is none."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise NotAuthenticated("a bearer token is needed: Authorization: Bearer <token>")
    return token.strip()
