"""The demo walks from an empty folder to counts, as `make demo` runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_demo(out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fixtures.demo", "--once", "--people", "8", "--out", str(out)]
    environment = os.environ | {"LC_ALL": "zh_CN.UTF-8", "PYTHONUTF8": "1", "COLUMNS": "160"}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180, encoding="utf-8"
    )


@pytest.mark.slow
def test_demo_shows_every_kind_of_answer_and_ends_with_the_counts(tmp_path: Path) -> None:
    done = run_demo(tmp_path / "demo")
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-4000:]
    pulled = text.split("$ testonce pull")[1].split("$ testonce match")[0]
    assert re.search(r"qingxi-fhir +[1-9]\d*", pulled), pulled
    answers = re.split(r"\$ testonce match", text.split("$ testonce serve")[0])[1:]
    assert len(answers) == 4
    for answer, headlines in zip(answers, (["✔"], ["◐"], ["✘"], ["✔", "✘"]), strict=True):
        assert re.findall(r"(?m)^ ([✔◐✘?○]) ", answer) == headlines
    partial, refused, imaging = answers[1:]
    assert re.search(r"血小板计数.*↻ 需重复", partial)
    assert partial.count("↻") == 1
    assert "[outside-window]" in partial
    assert {"outside-window", "out-of-scope"} <= set(re.findall(r"\[([a-z-]+)\]", refused))
    assert "/dicom-web/studies/" in imaging
    assert "[laterality-differs]" in imaging
    assert re.search(r"POST /api/v1/recognitions +201", text)
    assert re.search(r"curl -s http://127\.0\.0\.1:\d+/api/v1/match", text)


def test_demo_leaves_a_folder_alone_that_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    done = run_demo(tmp_path)
    assert done.returncode == 1
    assert "is not empty" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
