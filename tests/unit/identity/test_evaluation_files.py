"""Reading the two CSV files of an evaluation, and saying what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.domain.errors import InvalidInput
from service.domain.person import IdentifierKind
from service.identity.asked.person import identifiers_of
from service.identity.evaluation_files import Judged, demographic_proof, read_files

RECORDS = """institution,local_id,name,birth_date,sex,phone,resident_number,health_card
a,1,张伟,1990-02-30,M,16028406917,,
b,1,张伟;ZHANG^WEI,1990,男,16028406917;16028406918,11010519491231002x,12345678AB;99887766CD
a,1,张炜,1990-03-30,male,16028406917,,
"""
TRUTH = "institution,local_id,person,trap,error\nb,1,p1,twins;namesake,typo\na,1,p2,twins,\n"


def read(tmp_path: Path, records: str = RECORDS, truth: str = TRUTH, encoding: str = "utf-8") -> Judged:
    (tmp_path / "records.csv").write_text(records, encoding)
    (tmp_path / "truth.csv").write_text(truth, encoding)
    return read_files(tmp_path / "records.csv", tmp_path / "truth.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_later_row_replaces_the_earlier_and_the_truth_goes_by_key(tmp_path: Path, encoding: str) -> None:
    judged = read(tmp_path, encoding=encoding)
    assert [(institution, facts.local_id) for institution, facts in judged.records] == [("a", "1"), ("b", "1")]
    assert judged.truth == ["p2", "p1"]
    assert judged.kinds == {"trap namesake": {1}, "trap twins": {0, 1}, "error typo": {1}}
    assert list(judged.kinds)[-1] == "error typo"
    first = judged.records[0][1]
    assert (first.names, first.birth_date, first.sex) == (("张炜",), "1990-03-30", "male")


def test_several_values_in_a_cell_are_separated_by_semicolons(tmp_path: Path) -> None:
    facts = read(tmp_path).records[1][1]
    assert facts.names == ("张伟", "ZHANG^WEI")
    assert facts.phones == ("16028406917", "16028406918")
    assert {(one.kind, one.value) for one in identifiers_of(facts)} == {
        (IdentifierKind.RESIDENT, "11010519491231002X"),
        (IdentifierKind.HEALTH_CARD, "12345678AB"),
        (IdentifierKind.HEALTH_CARD, "99887766CD"),
    }


HEAD = "institution,local_id,sex,birth_date\n"


@pytest.mark.parametrize(("records", "truth", "place", "words"), [
    ("institution,local_id,nmae\na,1,x\n", TRUTH, "records.csv:1", "unknown columns nmae; expected columns: inst"),
    ("institution,name\na,x\n", TRUTH, "records.csv:1", "the header lacks local_id"),
    (HEAD + "a,,,\n", TRUTH, "records.csv:2 local_id", "is empty"),
    (HEAD + "a,1,weiblich,\n", TRUTH, "records.csv:2 sex", "expected male, female, other, unknown"),
    (HEAD + "a,1,,30.12.1990\n", TRUTH, "records.csv:2 birth_date", "expected YYYY-MM-DD"),
    (HEAD + "a,1\n", TRUTH, "records.csv:2", "2 cells where the header has 4"),
    (RECORDS, "institution,local_id\na,1\n", "truth.csv:1", "the header lacks person"),
    (RECORDS, TRUTH + "a,2,,,\n", "truth.csv:4 person", "is empty"),
    (RECORDS, TRUTH + "a,1,p3,,\n", "truth.csv:4", "name each record once"),
    (RECORDS, TRUTH + "a,2,p3,,\n", "truth.csv:4", "a/2 is not in records.csv"),
    (RECORDS + "a,3,x,,,,,\n", TRUTH, "truth.csv", "no row for a/3 of records.csv"),
], ids=lambda one: one if str(one).startswith(("records.csv", "truth.csv")) else "")  # fmt: skip
def test_a_bad_row_is_named_with_file_line_and_column(
    tmp_path: Path, records: str, truth: str, place: str, words: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(tmp_path, records, truth)
    assert [one.pointer for one in caught.value.faults] == [place]
    assert words in caught.value.faults[0].message


def test_of_many_faults_the_first_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="5 more like these") as caught:
        read(tmp_path, HEAD + "a,1,?,\n" * 25)
    assert len(caught.value.faults) == 20


@pytest.mark.parametrize("body", ["institution,local_id,name\na,1,张伟\n".encode("gb18030"), None])
def test_a_file_that_is_not_utf_8_or_not_there_is_said_to_be_so(tmp_path: Path, body: bytes | None) -> None:
    (tmp_path / "truth.csv").write_text(TRUTH, "utf-8")
    if body is not None:
        (tmp_path / "records.csv").write_bytes(body)
    with pytest.raises(InvalidInput, match=r"is not UTF-8; save it|cannot be read"):
        read_files(tmp_path / "records.csv", tmp_path / "truth.csv")


def test_demographics_prove_only_where_all_four_are_told(tmp_path: Path) -> None:
    head = "institution,local_id,name,birth_date,sex,phone\n"
    rows = [
        "张伟,1990-03-30,male,16028406917",
        " 张 伟,1990-03-30,M,160-2840-6917",
        "张伟,1990-03-30,male,13800138000",
        "张伟,1990-03,male,16028406917",
        "张伟,1990-03-30,,16028406917",
        "张丽之子,1990-03-30,male,16028406917",
    ]
    records = head + "".join(f"a,{n},{row}\n" for n, row in enumerate(rows))
    truth = "institution,local_id,person\n" + "".join(f"a,{n},p{n}\n" for n in range(len(rows)))
    proofs = [demographic_proof(*one) for one in read(tmp_path, records, truth).records]
    assert proofs[0] == proofs[1] is not None
    assert proofs[2:] == [None] * 4
