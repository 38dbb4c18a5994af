"""Which format a request means."""

from __future__ import annotations

import pytest

from api_historic.klines.formats import Format, accepted_format


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, Format.JSON),
        ("*/*", Format.JSON),
        ("application/json", Format.JSON),
        ("text/html, */*;q=0.1", Format.JSON),
        ("text/csv", Format.CSV),
        ("application/x-ndjson", Format.NDJSON),
        ("application/vnd.apache.arrow.stream", Format.ARROW),
        ("Application/vnd.Apache.Parquet", Format.PARQUET),
        ("text/csv;q=0.5, application/vnd.apache.parquet;q=0.9", Format.PARQUET),
        ("text/csv;q=0, */*;q=0.5", Format.JSON),
        ("image/png", None),
        ("text/csv;q=0", None),
        ("text/csv;q=x", None),
    ],
)
def test_format_is_what_accept_likes_best(accept: str | None, form: Format | None) -> None:
    assert accepted_format(accept) is form
