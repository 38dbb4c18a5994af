"""Bulk requests that are refused as a whole or in part."""

from __future__ import annotations

from pathlib import Path

import pytest

from forecast_sink.bulk import Bulk
from forecast_sink.cluster import open_cluster
from forecast_sink.documents import Document, build_kline_document
from forecast_sink.installation import install_indices
from market.interval import Interval
from support.elasticsearch import run_node
from support.klines import make_klines
from support.recording_server import recording
from support.servers import NotHere
from support.sink import documents

KLINES = "klinecast-klines"


def test_requests_larger_than_the_server_takes_are_split(tmp_path: Path) -> None:
    limit = {"http.max_content_length": "64kb"}
    klines = make_klines(Interval.H1, 1500)
    wanted = [build_kline_document("BTCUSDT", Interval.H1, kline) for kline in klines]
    whale = Document(KLINES, "whale", {"symbol": "x" * 100_000})
    try:
        with (
            run_node(tmp_path / "node", settings=limit) as node,
            open_cluster(node.url) as client,
        ):
            install_indices(client)

            outcomes = Bulk(client).write([*wanted[:700], whale, *wanted[700:]])

            assert len(documents(client, KLINES)) == 1500
    except NotHere as reason:
        pytest.skip(f"no Elasticsearch with a limit of our own: {reason}")
    refused = outcomes.pop(700)
    assert refused is not None
    assert not refused.may_pass
    assert "HTTP 413 for a document of 100" in refused.reason
    assert outcomes == [None] * 1500


def test_whole_request_refused_as_busy_may_pass_later() -> None:
    klines = make_klines(Interval.H1, 3)
    wanted = [build_kline_document("BTCUSDT", Interval.H1, kline) for kline in klines]
    with recording() as server, open_cluster(server.url) as client:
        busy = {"error": {"type": "es_rejected_execution_exception", "reason": "queue is full"}}
        done = {"items": [{"update": {"_id": one.identity, "status": 201}} for one in wanted]}
        server.answer("PUT /_bulk", (429, busy), (200, done))
        bulk = Bulk(client)

        first, second = bulk.write(wanted), bulk.write(wanted)

    assert {outcome.may_pass for outcome in first if outcome is not None} == {True}
    assert "HTTP 429: es_rejected_execution_exception: queue is full" in str(first[0])
    assert second == [None, None, None]


@pytest.mark.parametrize(
    ("status", "may_pass"), [(400, False), (404, True), (429, True), (503, True)]
)
def test_item_refused_for_its_content_alone_is_refused_for_good(
    status: int, may_pass: bool
) -> None:
    wanted = build_kline_document("BTCUSDT", Interval.H1, make_klines(Interval.H1, 1)[0])
    with recording() as server, open_cluster(server.url) as client:
        error = {"type": "some_exception", "reason": "because"}
        item = {"update": {"_id": wanted.identity, "status": status, "error": error}}
        server.answer("PUT /_bulk", (200, {"errors": True, "items": [item]}))

        (outcome,) = Bulk(client).write([wanted])

    assert outcome == ("some_exception: because", may_pass)
