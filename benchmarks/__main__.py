"""`make bench`: measures matching, loading, pulling, images and the person index, prints the figures, writes JSON."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import archive_speed, febrl, identity, images, load_speed, match_speed, pull_speed, reach

CONSOLE = Console(width=120)
PARTS = ("match", "load", "dicom", "pull", "images", "identity", "febrl", "reach")


def main() -> None:
    """Reads the options, measures, shows, writes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--results", type=_numbers, default=[100_000, 10_000_000], help="results stored, by commas")
    parser.add_argument("--records", type=_numbers, default=[100_000, 1_000_000], help="patient records stored")
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="sqlite")
    parser.add_argument("--people", type=int, default=20_000, help="people whose reports are loaded")
    parser.add_argument("--headers", type=int, default=500, help="DICOM headers read")
    parser.add_argument("--pulled", type=int, default=8_000, help="people whose reports are pulled")
    parser.add_argument("--studies", type=int, default=300, help="studies of the archive that is pulled")
    parser.add_argument("--unlinks", type=int, default=1000, help="unlinks at once; each touches 50 decisions")
    parser.add_argument("--only", choices=PARTS, action="append", help="default: all")
    parser.add_argument("--folder", type=Path, default=Path("out/bench"), help="scratch folder, emptied afterwards")
    given = parser.parse_args()
    wanted = given.only or PARTS
    databases = ("sqlite", "postgres") if given.database == "both" else (given.database,)
    given.folder.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {"machine": f"{platform.machine()}, Python {platform.python_version()}"}
    if "load" in wanted:
        figures["load"] = load_speed.measure_fhir(given.people, given.folder)
        _show("testonce load, FHIR R4", [figures["load"]])
    if "dicom" in wanted:
        figures["dicom"] = load_speed.measure_dicom(given.headers)
        _show("DICOM headers", [figures["dicom"]])
    if "pull" in wanted:
        figures["pull"] = pull_speed.measure_fhir(given.pulled, given.folder)
        _show("testonce pull, FHIR R4", [figures["pull"]])
        figures["archive"] = archive_speed.measure(given.studies, given.folder)
        _show("pulling from an archive", figures["archive"])
    if "images" in wanted:
        figures["images"] = images.measure(given.folder)
        _show("images, opened under a decision", figures["images"])
    if "identity" in wanted:
        figures["identity"] = [one for db in databases for one in identity.measure(given.records, db, given.folder)]
        _show("the person index", figures["identity"])
    if "febrl" in wanted:
        figures["febrl"] = list(febrl.measure())
        _show("FEBRL, pairs of records linked", figures["febrl"])
    if "reach" in wanted:
        figures["reach"] = [reach.measure(given.unlinks, given.unlinks * 50, db, given.folder) for db in databases]
        _show("unlinks that reach back", figures["reach"])
    if "match" in wanted:
        figures["match"] = [match_speed.measure(n, db, given.folder) for db in databases for n in given.results]
        _show("POST /api/v1/match, 5 items", figures["match"])
    target = given.folder / "benchmarks.json"
    target.write_text(json.dumps(figures, indent=2) + "\n")
    CONSOLE.print(f"written to {target}")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _show(title: str, rows: list[dict[str, Any]]) -> None:
    table = Table("", *("" for _ in rows), title=title, show_header=False)
    for key in rows[0]:
        table.add_row(key, *(str(row[key]) for row in rows))
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
