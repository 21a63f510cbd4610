"""The reference data in force: network and catalogue by version, parsed once and kept."""

from __future__ import annotations

import threading
import time

import msgspec

from service.domain.catalogue import Catalogue
from service.domain.errors import NotFound, Unavailable
from service.domain.network import Network
from service.matching.policy import Policy
from service.reference.catalogue_file import read_catalogue
from service.reference.network_file import read_network
from service.registry.database import Database
from service.registry.reference_store import current_version, get

REFRESH_SECONDS = 0.1
"""How long a process may go on under the policy it read last before asking for a newer version."""


class ReferenceReader:
    """Gives the current policy, and any earlier one by its versions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._policies: dict[tuple[str, str], Policy] = {}
        self._catalogues: dict[str, Catalogue] = {}
        self._current: Policy | None = None
        self._asked_at = float("-inf")

    def current_policy(self) -> Policy:
        """The policy of the network and catalogue loaded last. Unavailable while none is loaded."""
        if self._current is None or time.monotonic() - self._asked_at > REFRESH_SECONDS:
            with self._lock:
                self._refresh()
        assert self._current is not None
        return self._current

    def forget(self) -> None:
        """Makes the next question read the stored versions again."""
        self._asked_at = float("-inf")

    def _refresh(self) -> None:
        with self._database.read() as conn:
            network = current_version(conn, "network")
            catalogue = current_version(conn, "catalogue")
        if catalogue is None:
            raise Unavailable("no catalogue is loaded; run: testonce init", retry_after=30)
        if network is None:
            raise Unavailable("no network is loaded; run: testonce network load FILE.toml", retry_after=30)
        self._current = self.policy(network, catalogue)
        self._asked_at = time.monotonic()

    def policy(self, network_version: str, catalogue_version: str) -> Policy:
        """The policy of these versions; NotFound when one was never loaded here."""
        key = (network_version, catalogue_version)
        if key not in self._policies:
            catalogue = self.catalogue(catalogue_version)
            network = self._network(network_version, catalogue)
            self._policies[key] = Policy(network, catalogue, network_version)
        return self._policies[key]

    def catalogue(self, version: str) -> Catalogue:
        """The catalogue of a version."""
        if version not in self._catalogues:
            files = msgspec.json.decode(self._text("catalogue", version), type=dict[str, str])
            self._catalogues[version] = read_catalogue(files)
        return self._catalogues[version]

    def _network(self, version: str, catalogue: Catalogue) -> Network:
        return read_network(self._text("network", version), catalogue, "the stored network")

    def _text(self, kind: str, version: str) -> str:
        with self._database.read() as conn:
            text = get(conn, kind, version)
        if text is None:
            raise NotFound(f"{kind} version {version} was never loaded here")
        return text
