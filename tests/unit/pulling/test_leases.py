"""Whether a lease's holder is gone: only what is sure counts."""

from __future__ import annotations

import subprocess
import sys

import pytest

from service.pulling.leases import is_dead, new_owner


def test_this_process_lives_and_no_two_names_are_equal() -> None:
    assert not is_dead(new_owner())
    assert new_owner() != new_owner()


def test_a_process_of_this_machine_that_has_ended_is_dead() -> None:
    code = "from service.pulling.leases import new_owner; print(new_owner())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert is_dead(done.stdout.strip())


def test_a_number_given_to_another_process_since_is_dead() -> None:
    parts = new_owner().split("|")
    parts[2] = "1"
    assert is_dead("|".join(parts))


@pytest.mark.parametrize("owner", ["elsewhere/b/c|999999999|1|ab", "", "x", "|||", "a|1"])
def test_what_runs_elsewhere_or_is_no_name_may_live(owner: str) -> None:
    assert not is_dead(owner)
