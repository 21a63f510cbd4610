"""Where one source may be asked: its own address, what it wrongly calls so, and the hosts of its files."""

from __future__ import annotations

from adapters.transport.urls import Base, absolute, join_url, parse_base, parse_bases, rebase, split_url
from service.ingest.source import Fatal, SourceConfig


class Reach:
    """Decides about every address before anything is sent there. Options: `also_known_as`, `file_hosts`."""

    def __init__(self, config: SourceConfig) -> None:
        self.base = parse_base(config.address)
        self._aliases = parse_bases(config.options.get("also_known_as", ()), "also_known_as")
        self._file_hosts = parse_bases(config.options.get("file_hosts", ()), "file_hosts")

    def own(self, path_or_url: str) -> tuple[Base, str]:
        """A path below the base, or a URL that lies there (or on the same origin below a listed address). Raises Fatal
        `foreign-address`, `bad-address`."""
        if "://" in path_or_url.partition("?")[0]:
            target, query = split_url(path_or_url, "the address asked")
        else:
            path = path_or_url.lstrip("/")
            target, query = split_url(f"{self.base.url}/{path}" if path else self.base.url, "the address asked")
        if not self.base.has_origin_of(target) or not self._holds(target):
            raise Fatal("foreign-address", f"{target.origin} is not the address of the source, {self.base.url}")
        return target, query

    def link(self, link: str, page: str) -> str:
        """Where a link on `page` leads, below the base. Raises Fatal `foreign-address`, `bad-address`, `too-large`."""
        target, query = self._absolute(link, page)
        own = rebase(target, self.base, self._aliases)
        if own is None:
            raise Fatal(
                "foreign-address",
                f"a link of the server leads to {target.origin}, not below {self.base.url}; if that is the same, "
                "list it in options.also_known_as",
            )
        return join_url(own, query)

    def file(self, link: str, page: str) -> tuple[Base, str]:
        """Where a link to a file leads, below the base or a listed address. Raises as `link`."""
        target, query = self._absolute(link, page)
        target = rebase(target, self.base, self._aliases) or target
        if not self._holds(target):
            raise Fatal(
                "foreign-address",
                f"a file lies on {target.origin}, which is not below {self.base.url}; if the hospital keeps its files "
                "there, list it in options.file_hosts",
            )
        return target, query

    def where(self, location: str, page: str) -> str:
        """Where a Location leads, as it may be told: the origin, without what may be secret."""
        try:
            target, _ = self._absolute(location, page)
        except Fatal:
            return "no usable address"
        return "another path there" if self.base.has_origin_of(target) else target.origin

    def _absolute(self, link: str, page: str) -> tuple[Base, str]:
        return absolute(link, page or self.base.url + "/")

    def _holds(self, target: Base) -> bool:
        return any(one.holds(target) for one in (self.base, *self._file_hosts))
