"""Whatever a FHIR server answers: rows or a SourceError; and what it sent of a resource is what is kept."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from adapters.fhir.capabilities import read_capabilities
from adapters.fhir.pages import read_page, read_resource
from service.ingest.source import SourceError

_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)
_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)
_RESOURCE = st.builds(
    lambda id, more: {**more, "resourceType": "Observation", "id": id},
    st.from_regex(r"[A-Za-z0-9.-]{1,20}", fullmatch=True),
    st.dictionaries(_TEXT.filter(lambda key: key != "meta"), _VALUE, max_size=4),
)
_ENTRY = {
    "resource": {"resourceType": "Observation", "id": "o1", "meta": {"versionId": "1"}},
    "search": {"mode": "match"},
}
_DELETED = {"request": {"method": "DELETE", "url": "Observation/o2"}, "response": {"etag": 'W/"2"'}}
_WHOLE: dict[str, Any] = {
    "resourceType": "Bundle", "total": 2, "link": [{"relation": "next", "url": "?p=2"}], "entry": [_ENTRY, _DELETED],
}  # fmt: skip


@given(st.lists(_RESOURCE, max_size=5), st.sampled_from([None, 1, 4]), st.booleans())
def test_every_resource_is_kept_as_it_was_written(
    resources: list[dict[str, Any]], indent: int | None, is_ascii: bool
) -> None:
    sent = [json.dumps(one, indent=indent, ensure_ascii=is_ascii).encode() for one in resources]
    body = b'{"resourceType":"Bundle","entry":[' + b", ".join(b'{"resource": %b }' % one for one in sent) + b"]}"
    page = read_page(body, "Observation", UTC)
    assert [row.record.body for row in page.rows] == sent
    assert [row.record.key for row in page.rows] == [f"Observation/{one['id']}" for one in resources]


@given(st.data())
def test_spoiled_answers_are_rows_or_errors(data: st.DataObject) -> None:
    body = bytearray(json.dumps(_WHOLE).encode())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=5))
        if not body:
            break
    for read in (
        lambda: read_page(bytes(body), "Observation", UTC),
        lambda: read_resource(bytes(body), "Observation/o1", UTC),
        lambda: read_capabilities(bytes(body)),
    ):
        with suppress(SourceError):
            read()


@given(st.dictionaries(st.sampled_from(["resourceType", "total", "link", "entry", "issue"]), _VALUE), _VALUE)
def test_odd_types_are_rows_or_errors(bundle: dict[str, Any], entry: Any) -> None:
    for given_ in (
        bundle,
        {"resourceType": "Bundle", "entry": [entry, {"resource": entry}, {**_ENTRY, "search": entry}]},
    ):
        try:
            page = read_page(json.dumps(given_).encode(), "Observation", UTC)
        except SourceError:
            continue
        assert all(row.record.key for row in page.rows)
