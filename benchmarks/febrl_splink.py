"""splink 5 on FEBRL: a probabilistic model, trained on the records without the truth.

It compares the addresses too, and links by a score. `recall at 0 false pairs` places the bound by the truth, which
nobody has who links people. Imported only where splink is installed.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow
import splink.comparison_library as compare
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

Row = dict[str, str]
"""As `benchmarks.febrl.read_set` gives it."""
BOUND = 0.99
"""The match probability from which a pair counts as linked."""
_COLUMNS = (
    "rec_id", "given_name", "surname", "street_number", "address_1", "suburb", "postcode", "state", "date_of_birth",
    "soc_sec_id",
)  # fmt: skip


def measure(rows: Sequence[Row], with_number: bool) -> dict[str, Any]:
    """Splink's seconds, recall and false pairs. `with_number`: whether soc_sec_id is compared."""
    began = time.perf_counter()
    scored = _score(rows, with_number)
    taken = time.perf_counter() - began
    person = {row["rec_id"]: row["person"] for row in rows}
    judged = [(probability, person[a] == person[b]) for probability, a, b in scored]
    true_pairs = sum(many * (many - 1) // 2 for many in Counter(person.values()).values())
    linked = [is_true for probability, is_true in judged if probability > BOUND]
    best_false = max((probability for probability, is_true in judged if not is_true), default=0.0)
    at_none = sum(is_true and probability > best_false for probability, is_true in judged)
    return {
        "splink, seconds": round(taken, 1),
        f"splink, false pairs, p > {BOUND}": linked.count(False),
        f"splink, recall, p > {BOUND}": round(linked.count(True) / true_pairs, 4),
        "splink, recall at 0 false pairs": round(at_none / true_pairs, 4),
    }


def _score(rows: Sequence[Row], with_number: bool) -> list[tuple[float, str, str]]:
    """The match probability of every pair that splink looked at."""
    files = sorted({row["file"] for row in rows})
    database = DuckDBAPI()
    tables = [
        database.register(pyarrow.Table.from_pylist([_said(row) for row in rows if row["file"] == file]))
        for file in files
    ]
    linker = Linker(tables, _settings(with_number, "link_only" if len(files) > 1 else "dedupe_only"), log_level="ERROR")
    training = linker.training
    training.estimate_probability_two_random_records_match(
        [block_on("given_name", "surname", "date_of_birth"), block_on("date_of_birth", "postcode")], recall=0.8
    )
    training.estimate_u_using_random_sampling(max_pairs=1_000_000, seed=1)
    for columns in (("date_of_birth",), ("given_name", "surname")):
        training.estimate_parameters_using_expectation_maximisation(block_on(*columns))
    pairs = linker.inference.predict(threshold_match_probability=0.01).as_record_list()
    return [(one["match_probability"], one["rec_id_l"], one["rec_id_r"]) for one in pairs]


def _said(row: Row) -> dict[str, str | None]:
    return {column: row[column] or None for column in _COLUMNS}


def _settings(with_number: bool, link_type: str) -> SettingsCreator:
    number = ["soc_sec_id"] if with_number else []
    return SettingsCreator(
        link_type=link_type,
        unique_id_column_name="rec_id",
        blocking_rules_to_generate_predictions=[
            block_on(column) for column in ("given_name", "surname", "date_of_birth", "postcode", *number)
        ],
        comparisons=[
            compare.NameComparison("given_name"),
            compare.NameComparison("surname"),
            compare.DateOfBirthComparison("date_of_birth", input_is_string=True, datetime_format="%Y%m%d"),
            *map(compare.DamerauLevenshteinAtThresholds, ("postcode", "suburb", "address_1", *number)),
            compare.ExactMatch("street_number"),
        ],
    )
