"""`testonce identity evaluate`: how the linkage does on records whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.console import open_console

if TYPE_CHECKING:
    from service.identity.evaluation import Evaluation, Figures
    from service.identity.evaluation_files import Judged

FALSE_MERGE = 3


def evaluate(
    records: Annotated[Path, typer.Argument(metavar="RECORDS.csv", help="What hospitals say of their patients.")],
    truth: Annotated[Path, typer.Argument(metavar="TRUTH.csv", help="Which person each of them is.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Link records whose truth is known, in memory, and say what went wrong; exit 3 when two people were merged."""
    from service.identity.batch import link_records
    from service.identity.evaluation import evaluate as judge
    from service.identity.evaluation_files import demographic_proof, read_files

    judged = read_files(records, truth)
    linked = link_records(judged.records)
    proofs = [demographic_proof(institution, facts) for institution, facts in judged.records]
    review = ((one.a, one.b) for one in linked.review)
    found = judge(linked.persons, review, judged.truth, judged.kinds, proofs)
    _print_json(found, judged) if as_json else _print_table(found, judged)
    if found.total.false_merges:
        raise typer.Exit(FALSE_MERGE)


def _print_json(found: Evaluation, judged: Judged) -> None:
    import msgspec

    answer = {
        "total": _as_json(found.total),
        "provedByDemographics": {
            name: value for name, value in _as_json(found.proved).items() if name in ("records", "truePairs")
            or name.startswith("recall")
        },
        "kinds": {kind: _as_json(figures) for kind, figures in found.by_kind.items()},
        "examples": [[_name(judged, a), _name(judged, b)] for a, b in found.examples],
    }  # fmt: skip
    typer.echo(msgspec.json.format(msgspec.json.encode(answer)).decode())


def _as_json(figures: Figures) -> dict[str, Any]:
    return {
        "records": figures.records,
        "people": figures.people,
        "truePairs": figures.true_pairs,
        "linkedPairs": figures.linked,
        "falseMerges": figures.false_merges,
        "falseRateBound95": figures.false_rate_bound,
        "peopleMixed": figures.people_mixed,
        "personsMixed": figures.persons_mixed,
        "recall": _rounded(figures.recall),
        "recallWithReview": _rounded(figures.recall_with_review),
        "reviewPairs": figures.review,
        "reviewPer1000Records": _rounded(figures.review_per_1000),
        "reviewYield": _rounded(figures.review_yield),
    }


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 4)


def _name(judged: Judged, record: int) -> str:
    institution, facts = judged.records[record]
    return f"{institution}/{facts.local_id}"


def _print_table(found: Evaluation, judged: Judged) -> None:

    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("", overflow="fold")
    for title in (
        "records",
        "true pairs",
        "linked",
        "false",
        "people mixed",
        "recall",
        "+review",
        "to review",
        "yield",
    ):
        table.add_column(title, justify="right")
    table.add_row("all", *_cells(found.total))
    table.add_section()
    for kind, figures in found.by_kind.items():
        table.add_row(kind, *_cells(figures))
    console = open_console()
    console.print(table)
    for line in _remarks(found, judged):
        console.print(line, style="dim", soft_wrap=True, markup=False)


def _cells(figures: Figures) -> list[str]:
    return [
        *(str(n) for n in (figures.records, figures.true_pairs, figures.linked, figures.false_merges)),
        str(figures.people_mixed),
        *(_share(ratio) for ratio in (figures.recall, figures.recall_with_review)),
        str(figures.review),
        _share(figures.review_yield),
    ]


def _share(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.1%}"


def _remarks(found: Evaluation, judged: Judged) -> list[str]:
    """What the table does not say, line by line."""
    total, proved = found.total, found.proved
    lines = [f"{total.review_per_1000 or 0:.0f} pairs to review for every 1,000 records"]
    if proved.true_pairs:
        lines.append(
            f"of {proved.true_pairs} pairs that name, birth date, sex and phone prove: {_share(proved.recall)} linked, "
            f"{_share(proved.recall_with_review)} with review"
        )
    if total.false_rate_bound is not None:
        lines.append(f"no false merge in {total.linked} linked pairs: fewer than {total.false_rate_bound:.6f} of them "
                     "are false, at 95 % confidence (3/n)")  # fmt: skip
    lines += [f"false merge: {_name(judged, a)} and {_name(judged, b)}" for a, b in found.examples]
    return lines
