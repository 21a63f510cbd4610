"""Files stay short, tracked text names no machine, and the lock names no host."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT = 400


def test_no_source_file_is_longer_than_the_limit() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text("utf-8").splitlines())
        for folder in ("service", "adapters", "fixtures")
        for path in (ROOT / folder).rglob("*.py")
        if path.parent.name != "versions"  # a migration lists tables; nobody reads one from end to end
    }
    assert lengths
    assert {path: length for path, length in lengths.items() if length > LIMIT} == {}


def test_every_package_and_module_says_what_it_is_for() -> None:
    silent = [
        path.relative_to(ROOT).as_posix()
        for folder in ("service", "adapters", "fixtures")
        for path in (ROOT / folder).rglob("*.py")
        if not path.read_text("utf-8").lstrip().startswith(('"""', 'r"""'))
    ]
    assert silent == []


def test_nothing_is_left_for_later() -> None:
    pattern = re.compile(r"\b(?:TODO|FIXME|XXX|HACK|NotImplementedError)\b")
    left = [
        path.relative_to(ROOT).as_posix()
        for folder in ("service", "adapters", "fixtures")
        for path in (ROOT / folder).rglob("*.py")
        if pattern.search(path.read_text("utf-8"))
    ]
    assert left == []


@pytest.mark.parametrize("name", ["dev.txt", "run.txt", "build.txt", "data.txt"])
def test_lock_has_hashes_and_no_address(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text("utf-8")
    assert not re.search(r"://|--index-url|--find-links|--trusted-host| @ ", text)
    requirements = re.findall(r"(?m)^[a-z0-9][^\n]*==[^\n]*(?:\n    .*)*", text)
    assert requirements
    assert [one.splitlines()[0] for one in requirements if "--hash=sha256:" not in one] == []


def test_lock_pins_everything_that_pyproject_names() -> None:
    wanted = re.findall(r'(?m)^    "([A-Za-z0-9.-]+)', (ROOT / "pyproject.toml").read_text("utf-8").split("[tool.")[0])
    text = (ROOT / "requirements" / "dev.txt").read_text("utf-8").casefold()
    pinned = {re.sub(r"[-_.]+", "-", one) for one in re.findall(r"(?m)^([a-z0-9_.-]+)==", text)}
    assert {one for one in wanted if re.sub(r"[-_.]+", "-", one.casefold()) not in pinned} == set()


def test_tracked_text_names_no_path_of_a_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    if listed.returncode:
        pytest.skip("not a git checkout")
    pattern = re.compile(r"(?<![\w.$}/-])/(?:work|root|home)/\w")
    wrong = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path == Path(__file__) or not path.is_file():
            continue
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        if pattern.search(text):
            wrong.append(name)
    assert wrong == []
