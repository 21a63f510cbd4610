"""Which addresses a request may go to: the one the source is configured with, and what lies below it.

Everything a peer answers is a wish, not an address: it is compared with the configured scheme, host, port and base
path before anything is sent there (OWASP SSRF prevention; a token follows a foreign `next` link otherwise).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin, urlsplit

from service.ingest.source import Fatal

MAX_LINK = 8 * 1024  # bytes; FHIR servers send next links of more than 2 KB, none of more than a few
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
_HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}")
_PORTS = re.compile(r"^(https?://[^/?#]*?)(:\d{1,5})\2+(?=[/?#]|$)", re.IGNORECASE)
_SAFE = "%/:?@!$&'()*+,;=~-._"  # RFC 3986: what stands unquoted in a path or a query; % stands for what is quoted
_NAME = re.compile(r"[.$]?[A-Za-z][A-Za-z-]{0,39}")
_DEFAULT_PORT = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Base:
    """An origin with a base path: `path` is empty or starts with `/` and never ends with one."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def origin(self) -> str:
        """`scheme://host[:port]`, the port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == _DEFAULT_PORT[self.scheme] else f":{self.port}")

    @property
    def url(self) -> str:
        """The address itself, without a `/` at its end."""
        return self.origin + self.path

    def has_origin_of(self, other: Base) -> bool:
        """Whether scheme, host and port are the same (RFC 6454)."""
        return (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)

    def holds(self, other: Base) -> bool:
        """Whether `other` is this address or lies below it."""
        return self.has_origin_of(other) and (other.path + "/").startswith(self.path + "/")


def parse_base(text: str, setting: str = "address") -> Base:
    """The base URL in a setting. Raises Fatal `bad-address` naming the setting."""
    base, query = split_url(text, f"the setting {setting}")
    if query:
        raise Fatal("bad-address", f"the setting {setting} has a query; a base URL is expected, as https://host/fhir")
    return Base(base.scheme, base.host, base.port, base.path.rstrip("/"))


def parse_bases(given: object, setting: str) -> tuple[Base, ...]:
    """A list of base URLs in the options. Raises Fatal `bad-option` or `bad-address`."""
    if not isinstance(given, (list, tuple)) or not all(isinstance(one, str) for one in given):
        raise Fatal("bad-option", f"options.{setting} must be a list of addresses, as ['https://host:8443/path']")
    return tuple(parse_base(one, f"options.{setting}") for one in given)


def split_url(text: str, what: str) -> tuple[Base, str]:
    """An absolute URL as origin with path, and its query. `what` names it in the Fatal `bad-address` that is raised for
    other schemes, userinfo, fragments, control characters, odd hosts and ports, and dot segments."""
    if _FORBIDDEN.search(text):
        raise Fatal("bad-address", f"{what} holds control characters or backslashes")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Fatal("bad-address", f"{what} is not a URL") from None
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if scheme not in _DEFAULT_PORT:
        raise Fatal("bad-address", f"{what} is neither http nor https")
    if "@" in parts.netloc:
        raise Fatal("bad-address", f"{what} holds a user name; credentials are set as secrets of the source")
    if "#" in text:
        raise Fatal("bad-address", f"{what} has a fragment (#)")
    if not _HOST.fullmatch(host) or port == 0:
        raise Fatal("bad-address", f"{what} has no usable host and port")
    segments = unquote(parts.path).replace("\\", "/").split("/")
    if any(one.partition(";")[0] in (".", "..") for one in segments):  # some servers take `..;` for `..` (Tomcat)
        raise Fatal("bad-address", f"{what} has . or .. in its path")
    path = "" if parts.path == "/" else quote(parts.path, safe=_SAFE)
    return Base(scheme, host, port or _DEFAULT_PORT[scheme], path), quote(parts.query, safe=_SAFE)


def join_url(base: Base, query: str) -> str:
    """The URL of a path with its query."""
    return (base.url if base.path else base.origin + "/") + (f"?{query}" if query else "")


def absolute(link: str, page: str) -> tuple[Base, str]:
    """What a link on `page` points to (RFC 3986 section 5). Repeated ports (`:443:443`, google/fhircore#1714) become
    one, characters that should have been escaped are. Raises Fatal `bad-address` or `too-large`."""
    if len(link) > MAX_LINK:
        raise Fatal("too-large", f"a link of the server has {len(link)} characters; at most {MAX_LINK} are followed")
    if _FORBIDDEN.search(link):
        raise Fatal("bad-address", "a link of the server holds control characters or backslashes")
    try:
        joined = urljoin(page, _PORTS.sub(r"\1\2", link.strip(" ")))
    except ValueError:
        raise Fatal("bad-address", "a link of the server is not a URL") from None
    return split_url(joined, "a link of the server")


def rebase(target: Base, own: Base, aliases: Iterable[Base]) -> Base | None:
    """`target` where it lies below `own`, or below an alias of it, then moved to `own`; None where it is foreign."""
    if own.holds(target):
        return target
    for alias in aliases:
        if alias.holds(target):
            return Base(own.scheme, own.host, own.port, own.path + target.path[len(alias.path) :])
    return None


def describe(url: str, own: Base) -> str:
    """A URL for an error text: below `own` its first part where that is a name (`Observation`, `studies`), else its
    origin; never ids, never a query."""
    target, _ = split_url(url, "the address asked")
    if not own.holds(target):
        return target.origin
    first, _, rest = target.path[len(own.path) :].lstrip("/").partition("/")
    if not first:
        return own.url
    return f"{own.url}/{first if _NAME.fullmatch(first) else '…'}{'/…' if rest else ''}"
