"""`testonce identity evaluate` on a generated population, as somebody does who checks the linkage on their own data."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from fixtures.population import generate
from fixtures.population.files import write_all
from service.cli import main


def evaluate(capsys: pytest.CaptureFixture[str], folder: Path, *options: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["identity", "evaluate", str(folder / "records.csv"), str(folder / "truth.csv"), *options])
    told = capsys.readouterr()
    return int(caught.value.code or 0), told.out, told.err


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_all(generate(200, 6), tmp_path)
    return tmp_path


def test_figures_are_printed_for_all_and_for_each_kind_and_need_no_installation(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = evaluate(capsys, folder)
    assert status == 0
    lines = out.splitlines()
    assert lines[0].split()[:3] == ["records", "true", "pairs"]
    assert lines[1].split()[0] == "all"
    assert any(line.startswith("trap newborn") for line in lines)
    assert any(line.startswith("error number-missing") for line in lines)
    assert "pairs to review for every 1,000 records" in out
    assert "no false merge in" in out


def test_json_gives_the_same_as_numbers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = evaluate(capsys, folder, "--json")
    answer = json.loads(out)
    assert status == 0
    assert answer["total"]["records"] == len(generate(200, 6).records)
    assert answer["total"]["falseMerges"] == 0
    assert 0.5 < answer["total"]["recall"] < answer["total"]["recallWithReview"] <= 1
    assert answer["provedByDemographics"]["recall"] > 0.9
    assert answer["examples"] == []
    assert answer["kinds"]["trap newborn"]["linkedPairs"] == 0


def test_a_false_merge_is_named_and_gives_status_3(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # a truth in which every record is somebody else makes every link a false merge
    with (folder / "truth.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    text = "institution,local_id,person\n"
    text += "".join(f"{row['institution']},{row['local_id']},p{n}\n" for n, row in enumerate(rows))
    (folder / "truth.csv").write_text(text, "utf-8")
    status, out, _ = evaluate(capsys, folder)
    assert status == 3
    assert out.count("false merge: ") == 20
    assert "no false merge" not in out


def test_a_bad_row_is_told_with_its_place_and_gives_status_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "records.csv").write_text("institution,local_id,colour\na,1,red\n", "utf-8")
    status, out, err = evaluate(capsys, folder)
    assert (status, out) == (2, "")
    assert "records.csv:1: unknown columns colour; expected columns: institution, local_id, name" in err
