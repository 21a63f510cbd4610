"""Questions about lines that break and servers that dawdle: nothing is lost, nothing hangs, nothing leaks."""

from __future__ import annotations

import logging
import os
import time
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from service.ingest.source import Retriable, SourceConfig, SourceError
from tests.contract.asking import MANY, Asking, Given
from tests.contract.world import NAME_OF_PATIENT, NUMBER_OF_PATIENT, PASSWORD, World
from tests.support.link import Link
from tests.support.pulling import LIMITS

PATIENCE = 5.0  # seconds, of a machine that does other things as well
SECRETS = (NAME_OF_PATIENT, NUMBER_OF_PATIENT, PASSWORD)


class Broken(Asking):
    """The line."""

    def test_line_cut_at_any_byte_loses_nothing(self, world: World, link: Link) -> None:
        self.fill(world, MANY)
        config = world.config(link.port, limits=replace(LIMITS, connections=1))
        whole = self.pull_until_quiet(config)
        link.mend()
        self.pull(config)
        points = link.boundaries(self.world_type.cuts)
        assert len(points) > 5
        for point in points:
            link.mend()
            link.cut_at = point
            given = Given()
            with suppress(Retriable):
                self.pull(config, None, given)
            link.mend()
            self.catch_up(config, given, whole)
            assert given.bodies == whole.bodies, f"cut after byte {point} of {points[-1]}"

    def test_line_cut_within_a_run_never_looks_like_its_end(self, world: World, link: Link) -> None:
        keys = self.fill(world, MANY)
        config = world.config(link.port, limits=replace(LIMITS, connections=1))
        self.pull(config)
        for point in link.boundaries(self.world_type.cuts // 2):
            link.mend()
            link.cut_at = point
            given = Given()
            try:
                self.pull(config, None, given)
            except Retriable:
                continue
            assert set(keys) <= given.bodies.keys(), f"complete without everything; cut after byte {point}"

    def test_nobody_there_is_retriable(self, world: World, link: Link) -> None:
        link.is_down = True
        config = world.config(link.port)
        for ask in ("check", "probe", "pull"):
            with closing(self.open_source(config)) as source, pytest.raises(Retriable) as told:
                list(source.pull(None)) if ask == "pull" else getattr(source, ask)()
            assert told.value.code
            assert told.value.message

    @pytest.mark.parametrize("how", ["stalls", "drips"])
    def test_slow_server_is_retriable_within_the_limits(self, world: World, link: Link, how: str) -> None:
        self.fill(world)
        limits = replace(LIMITS, connect_seconds=0.4, read_seconds=0.4, answer_seconds=0.8)
        config = world.config(link.port, limits=limits)
        if how == "stalls":
            link.stall_at = 20
        else:
            link.drip = 0.05
        started = time.monotonic()
        with pytest.raises(Retriable):
            self.pull(config)
        assert time.monotonic() - started < PATIENCE

    def test_errors_and_logs_tell_nothing_secret(
        self, world: World, link: Link, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        self.fill(world)
        config = world.config(link.port, limits=replace(LIMITS, connections=1))
        self.pull(config)
        told = [repr(config), str(config)]
        for point in link.boundaries(6):
            link.mend()
            link.cut_at = point
            told += self._errors(config)
        text = " ".join(told) + caplog.text
        assert not any(secret in text for secret in SECRETS)

    def _errors(self, config: SourceConfig) -> list[str]:
        told = []
        with closing(self.open_source(config)) as source:
            try:
                list(source.pull(None))
            except SourceError as error:
                told += [repr(error), str(error), error.message]
            told.append(repr(source))
        return told

    def test_close_leaves_no_socket_open(self, world: World) -> None:
        self.fill(world)
        self.pull(world.config())
        before = _sockets()
        source = self.open_source(world.config())
        batches = source.pull(None)
        next(batches)
        source.close()
        with suppress(SourceError):
            batches.close()  # type: ignore[attr-defined]
        deadline = time.monotonic() + PATIENCE
        while (left := _sockets() - before) and time.monotonic() < deadline:
            time.sleep(0.02)  # the world's own end closes a moment later
        assert not left


def _sockets() -> set[str]:
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if (target := os.readlink(f"/proc/self/fd/{name}")).startswith("socket:"):
                found.add(target)
    return found
