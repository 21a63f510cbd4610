"""The guarded client: the one place where requests leave for a hospital system."""

from __future__ import annotations

import functools
import itertools
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from urllib.parse import quote, urlencode

import httpx

from adapters.transport.answers import FAILURES, Answer, Streamed, check_headers, check_status, error_of
from adapters.transport.auth import Keeper, open_keeper
from adapters.transport.inflate import capped
from adapters.transport.lookups import Resolve
from adapters.transport.network import Allowance, GuardedTransport, reading
from adapters.transport.paging import Paging
from adapters.transport.patience import Breaker, Clock, Pace, Sleep, backoff, read_clock
from adapters.transport.reach import Reach
from adapters.transport.urls import describe, join_url
from service.ingest.source import Fatal, Retriable, SourceConfig, SourceError

T = TypeVar("T")
Params = Sequence[tuple[str, str]]

OPTIONS = frozenset({"also_known_as", "file_hosts", "token_hosts", "token_url", "scope", "token_auth"})
"""The keys of a source's options that are read here."""

_SAFE_VALUE = "*:,/-._~"  # allowed in a query as they are (RFC 3986 3.4); some archives decode none (Orthanc 1.10)
_QUERY = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*")
_AWAY = frozenset({"unreachable", "slow", "cut-off", "unavailable", "tls"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MAX_HOPS = 3
_LEAST_SPEED = 64 * 1024.0  # of files without a limit of their own: 5 GB may take a day, a drip may not
_MAX_TOKEN_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(default=b"", repr=False)
    expect: Collection[int] = ()
    is_authorised: bool = True
    is_repeatable: bool = True
    compressed: bool = True
    max_bytes: int | None = None
    least_speed: float = 0.0  # bytes a second that earn more time than one answer has


class GuardedClient:
    """HTTP to one source, within its limits, to its configured address and nowhere else. Safe to use from several
    threads.

    All methods raise SourceError: Fatal `bad-address`, `foreign-address`, `private-address`, `redirected`,
    `unauthorised`, `forbidden`, `refused`, `too-large`, `bad-encoding`, `certificate`; Skippable `not-found` (404) and
    `gone` (410); Retriable `unreachable`, `slow`, `cut-off`, `unavailable` (429, 503…), `server-error`, `busy`,
    `breaker-open`. Statuses in `expect` are given back instead. Options read here: `also_known_as`, `file_hosts`,
    `token_hosts`, `token_url`, `scope`, `token_auth`.
    """

    def __init__(
        self, config: SourceConfig, *, network: httpx.BaseTransport | None = None, resolve: Resolve | None = None,
        clock: Clock = time.monotonic, sleep: Sleep = time.sleep,
    ) -> None:  # fmt: skip
        self._reach = Reach(config)
        self.base = self._reach.base
        self._limits = config.limits
        self._pace = Pace(config.limits.requests_per_second, clock, sleep)
        self._breaker = Breaker(clock)
        self._sleep = sleep
        self._keeper: Keeper = open_keeper(config, self.base, self._ask_for_token, clock)
        self._network = network or GuardedTransport(config, resolve)

    @property
    def is_well(self) -> bool:
        """Whether the source answered when last asked: then it may be asked several things at once. Of one that did
        not, the breaker may let a single call through."""
        return self._breaker.is_well

    def get(
        self, path_or_url: str, *, params: Params = (), headers: Mapping[str, str] | None = None,
        raw_query: str | None = None, expect: Collection[int] = (), max_bytes: int | None = None,
    ) -> Answer:  # fmt: skip
        """GET, read whole (at most `max_bytes`, else `limits.answer_bytes`), tried again where that can help.

        A path lies below the base, with or without a leading `/`; a URL must be one that `resolve_link` allows.
        `raw_query` goes out as it is, for servers that do not decode: it may hold no character a URL forbids."""
        url = self._own_url(path_or_url, params, raw_query)
        return self._tried(_Call("GET", url, headers or {}, expect=expect, max_bytes=max_bytes), self._read)

    def send(
        self, method: str, path_or_url: str, *, content: bytes = b"", params: Params = (),
        headers: Mapping[str, str] | None = None, expect: Collection[int] = (), max_bytes: int | None = None,
    ) -> Answer:  # fmt: skip
        """Any other method. A POST is not repeated once it may have arrived."""
        url = self._own_url(path_or_url, params, None)
        repeatable = method in ("PUT", "DELETE", "HEAD")
        call = _Call(method, url, headers or {}, content, expect, is_repeatable=repeatable, max_bytes=max_bytes)
        return self._tried(call, self._read)

    @contextmanager
    def stream(
        self, path_or_url: str, *, params: Params = (), headers: Mapping[str, str] | None = None,
        raw_query: str | None = None, expect: Collection[int] = (), compressed: bool = False,
        max_bytes: int | None = None,
    ) -> Iterator[Streamed]:  # fmt: skip
        """GET, read while it comes: opening is tried again, what broke half way is not. Pixels are asked for
        uncompressed (`compressed` False): gzip of them costs ten times the time and saves nothing."""
        url = self._own_url(path_or_url, params, raw_query)
        call = _Call("GET", url, headers or {}, expect=expect, compressed=compressed, max_bytes=max_bytes)
        with self._streamed(call) as streamed:
            yield streamed

    @contextmanager
    def get_file(
        self, url: str, *, authorised: bool = False, headers: Mapping[str, str] | None = None,
        expect: Collection[int] = (), max_bytes: int | None = None,
    ) -> Iterator[Streamed]:  # fmt: skip
        """Streams a file of a Bulk Data manifest: below the base, or below an address listed in `file_hosts`.

        However large, it may come as slowly as 64 KB a second. The token goes along only where `authorised` and the
        origin is the configured one. A redirect (Cerner answers 307) is followed only to an address that is allowed
        itself, and the token does not go with it to another origin."""
        target, query = self._reach.file(url, "")
        for _ in range(_MAX_HOPS):
            call = _Call(
                "GET", join_url(target, query), headers or {}, expect={*expect, *_REDIRECTS}, max_bytes=max_bytes,
                is_authorised=authorised and self.base.has_origin_of(target), least_speed=_LEAST_SPEED,
            )  # fmt: skip
            with self._streamed(call) as streamed:
                if streamed.status not in _REDIRECTS:
                    yield streamed
                    return
                target, query = self._reach.file(streamed.headers.get("location", ""), call.url)
        raise Fatal("redirected", f"a file on {self.base.origin} is redirected more than {_MAX_HOPS} times")

    def resolve_link(self, link: str, base: str = "") -> str:
        """The address a link of the server leads to; `base` is the page it stands on, as it was asked for.

        Relative links are resolved; what `also_known_as` lists is the server's own wrong idea of its address and is
        moved to the configured one. Raises Fatal `foreign-address` for anything not below the configured address."""
        return self._reach.link(link, base)

    def resolve_file(self, link: str, base: str = "") -> str:
        """As `resolve_link`, for files and status addresses: also what lies below an address in `file_hosts`."""
        return join_url(*self._reach.file(link, base))

    def is_own(self, url: str) -> bool:
        """Whether `get` would ask there: below the base, or listed and on the same origin."""
        try:
            self._reach.own(url)
        except Fatal:
            return False
        return True

    def paging(self, resolve: Callable[[str, str], str] | None = None) -> Paging:
        """Counts the pages of a run; see `Paging.follow`. `resolve`: in place of `resolve_link`."""
        return Paging(resolve or self.resolve_link, self._limits.pages)

    def close(self) -> None:
        """Closes all connections."""
        self._network.close()

    def _own_url(self, path_or_url: str, params: Params, raw_query: str | None) -> str:
        if raw_query is not None and not _QUERY.fullmatch(raw_query):
            raise Fatal("bad-address", "the query holds characters that must be escaped in a URL")
        target, query = self._reach.own(path_or_url)
        encoded = urlencode(params, safe=_SAFE_VALUE, quote_via=quote)
        return join_url(target, "&".join(one for one in (query, encoded, raw_query) if one))

    def _tried(self, call: _Call, action: Callable[[_Call], T]) -> T:
        """Does the action, again where that can help, unless the breaker is open."""
        attempts = 1 if self._breaker.enter() else self._limits.retries + 1
        for attempt in itertools.count():
            try:
                self._pace.wait()
                result = action(call)
            except Retriable as error:
                wait = backoff(attempt, error.retry_after)
                if attempt + 1 >= attempts or wait is None or not _may_repeat(call, error):
                    self._note(error)
                    raise
                self._sleep(wait)
            except SourceError as error:
                self._note(error)
                raise
            else:
                self._breaker.succeeded()
                return result
        raise AssertionError("unreachable")

    def _note(self, error: SourceError) -> None:
        """An answer that is no use shows that somebody answers; a 500 may be the fault of that one question."""
        if error.code in _AWAY:
            self._breaker.failed()
        elif error.code not in ("server-error", "busy", "breaker-open"):
            self._breaker.succeeded()

    def _read(self, call: _Call) -> Answer:
        response, allowance = self._open(call)
        try:
            body = b"".join(self._chunks(response, call, allowance))
        finally:
            response.close()
        return Answer(response.status_code, response.headers, body, read_clock(response.headers.get("date")))

    @contextmanager
    def _streamed(self, call: _Call) -> Iterator[Streamed]:
        response, allowance = self._tried(call, self._open)
        try:
            time_there = read_clock(response.headers.get("date"))
            yield Streamed(
                response.status_code, response.headers, lambda: self._chunks(response, call, allowance), time_there
            )
        finally:
            response.close()

    def _open(self, call: _Call) -> tuple[httpx.Response, Allowance]:
        """Sends the call, once more with a new token where the old one was refused; the body is still to be read."""
        allowance = Allowance(self._limits.answer_seconds)
        token = self._keeper.value() if call.is_authorised else None
        response = self._exchange(call, token, allowance)
        if response.status_code == 401 and token is not None and self._keeper.renew(token):
            response.close()
            response = self._exchange(call, self._keeper.value(), allowance)
        try:
            check_headers(response.headers)
            where = functools.partial(self._reach.where, page=call.url)
            check_status(response.status_code, response.headers, self._told(call), call.expect, where)
        except SourceError:
            response.close()
            raise
        return response, allowance

    def _exchange(self, call: _Call, token: str | None, allowance: Allowance) -> httpx.Response:
        encoding = "gzip" if call.compressed else "identity"
        headers = {"Accept-Encoding": encoding, "User-Agent": "TestOnce", **call.headers}
        if token is not None:
            headers["Authorization"] = token
        limits = self._limits
        timeout = httpx.Timeout(limits.read_seconds, connect=limits.connect_seconds, pool=limits.read_seconds)
        request = httpx.Request(
            call.method, call.url, headers=headers, content=call.content, extensions={"timeout": timeout.as_dict()}
        )
        try:
            with reading(allowance):
                return self._network.handle_request(request)
        except FAILURES as error:
            raise error_of(error, self._told(call)) from None

    def _chunks(self, response: httpx.Response, call: _Call, allowance: Allowance) -> Iterator[bytes]:
        limit = self._limits.answer_bytes if call.max_bytes is None else call.max_bytes
        encoding = response.headers.get("content-encoding", "")
        return capped(self._raw(response, call, allowance), encoding, limit)

    def _raw(self, response: httpx.Response, call: _Call, allowance: Allowance) -> Iterator[bytes]:
        assert isinstance(response.stream, httpx.SyncByteStream)
        body = iter(response.stream)
        while True:
            try:
                with reading(allowance):
                    chunk = next(body, None)
            except FAILURES as error:
                raise error_of(error, self._told(call)) from None
            if chunk is None:
                return
            if call.least_speed:
                allowance.left += len(chunk) / call.least_speed
            yield chunk

    def _told(self, call: _Call) -> str:
        return f"{call.method} {describe(call.url, self.base)}"

    def _ask_for_token(self, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Answer:
        """One exchange with a token endpoint, whose address the keeper has checked; no token goes along."""
        expect = {400, 401} if method == "POST" else ()
        return self._read(_Call(method, url, headers, content, expect, is_authorised=False, max_bytes=_MAX_TOKEN_BYTES))


def _may_repeat(call: _Call, error: Retriable) -> bool:
    return call.is_repeatable or error.code in ("unreachable", "tls", "busy", "unavailable")
