"""Processes that evaluate decisions again when there are very many: each core works, and who asked keeps answering.

A child holds one end of a pipe and nothing else of its parent: when that dies, even by kill -9, it reads the end of
the pipe and goes too.
"""

from __future__ import annotations

import gc
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from multiprocessing.connection import wait
from typing import Any, TypeVar

from service.decisions.again import Evaluator, Renewed
from service.domain.errors import Unavailable

Opener = Callable[[], Evaluator]
"""Makes a child's evaluator; it is pickled, so a function of a module, or a partial of one."""

Task = tuple[Sequence[str], bool]
"""The arguments of `Evaluator.renew`."""

_AHEAD = 2
"""Tasks a child has before it, so that it need not wait while its answers are being stored."""

Label = TypeVar("Label")


class Crew:
    """A few processes that evaluate."""

    def __init__(self, pipes: Sequence[Pipe[Any, Any]]) -> None:
        self._pipes = pipes

    def renew(self, tasks: Iterator[tuple[Label, Task]]) -> Iterator[tuple[Label, list[Renewed]]]:
        """The result of each task beside its label, as they come. Raises Unavailable when a process failed."""
        given: dict[Pipe[Any, Any], deque[Label]] = {pipe: deque() for pipe in self._pipes}
        for pipe in [*self._pipes] * _AHEAD:
            _hand_out(tasks, pipe, given[pipe])
        while busy := [pipe for pipe, labels in given.items() if labels]:
            for one in wait(busy):
                pipe = next(each for each in busy if each is one)
                renewed = _receive(pipe)
                label = given[pipe].popleft()
                _hand_out(tasks, pipe, given[pipe])
                yield label, renewed


def _hand_out(tasks: Iterator[tuple[Label, Task]], pipe: Pipe[Any, Any], labels: deque[Label]) -> None:
    following = next(tasks, None)
    if following is not None:
        pipe.send(following[1])
        labels.append(following[0])


def _receive(pipe: Pipe[Any, Any]) -> list[Renewed]:
    try:
        answer = pipe.recv()
    except (EOFError, OSError):
        answer = "its process ended"
    if isinstance(answer, str):
        raise Unavailable(f"decisions cannot be evaluated again now: {answer}")
    found: list[Renewed] = answer
    return found


@contextmanager
def crew(opener: Opener, size: int, nice: int = 0) -> Iterator[Crew]:
    """`size` processes until the block ends; `nice` is how far they stand back behind others for the processor."""
    context = get_context("spawn")  # a fork would copy locks that other threads hold
    pipes, processes = [], []
    try:
        for _ in range(size):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, opener, nice), name="evaluator", daemon=True)
            process.start()
            theirs.close()
            pipes.append(ours)
            processes.append(process)
        yield Crew(pipes)
    finally:
        for pipe in pipes:
            pipe.close()
        for process in processes:
            process.join(5)
            process.kill()
            process.join()


def _work(pipe: Pipe[Any, Any], opener: Opener, nice: int) -> None:
    """The life of a child. Errors go back by their kind alone: their words may quote what was evaluated."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # at a terminal it reaches all; the parent says when it is over
    try:
        os.nice(nice)
        evaluator = opener()
        gc.freeze()
        gc.set_threshold(100_000, 20, 50)
        while True:
            ids, compare = pipe.recv()
            pipe.send(evaluator.renew(ids, compare=compare))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
    except Exception as error:
        pipe.send(type(error).__name__)
