"""Answers that are written as bytes still have the shapes that `market` fixes."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from market.gaps import Cause, Gap
from market.interval import HOUR_MS, Interval
from market.kline import KLINE_FIELDS
from market.shapes import KlinePage, StatusShape, SymbolPage
from market.store.gap_ledger import write_gaps
from support.history_api import add_series, history_api, new_store
from support.klines import START_MS, make_klines

KLINES = make_klines(Interval.H1, 100)
HOLE = slice(40, 43)
NOW_MS = START_MS + 100 * HOUR_MS


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API over a series with a hole of three hours that was an outage."""
    store = new_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
    series = add_series(store, "BTCUSDT", Interval.H1, KLINES[:40] + KLINES[43:])
    outage = Gap(START_MS + 40 * HOUR_MS, START_MS + 43 * HOUR_MS, Cause.OUTAGE)
    with store.begin() as connection:
        write_gaps(connection, series, (START_MS, NOW_MS), [outage], 1)
    with history_api(store, NOW_MS) as url:
        yield url


def page(api: str, query: str, path: str = "/v1/klines") -> KlinePage:
    response = httpx.get(f"{api}{path}?symbol=BTCUSDT&interval=1h&{query}")
    assert response.status_code == 200, response.text
    return KlinePage.model_validate_json(response.content)


def test_page_has_the_shape(api: str) -> None:
    answer = page(api, f"start={START_MS}&fields={','.join(KLINE_FIELDS)}")

    assert answer.klines == [list(kline) for kline in KLINES[:40] + KLINES[43:]]
    assert [gap.model_dump() for gap in answer.gaps] == [
        {
            "start_ms": START_MS + 40 * HOUR_MS,
            "end_ms": START_MS + 43 * HOUR_MS,
            "cause": Cause.OUTAGE,
        }
    ]
    assert (answer.complete, answer.completeness, answer.next) == (False, 0.97, None)


def test_fields_come_in_the_order_asked(api: str) -> None:
    answer = page(api, "fields=close,open_time&limit=1")

    assert answer.fields == ["close", "open_time"]
    assert answer.klines == [[KLINES[0].close, START_MS]]


def test_page_is_complete_where_nothing_is_missing(api: str) -> None:
    answer = page(api, "limit=40")

    assert (answer.complete, answer.completeness, answer.gaps) == (True, 1.0, [])


def test_newest_klines_have_the_shape(api: str) -> None:
    answer = page(api, "limit=60", "/v1/klines/latest")

    assert [row[0] for row in answer.klines] == [
        k.open_time_ms for k in KLINES[37:40] + KLINES[43:]
    ]
    assert [gap.cause for gap in answer.gaps] == [Cause.OUTAGE]


def test_known_symbol_without_klines_is_one_gap(api: str) -> None:
    response = httpx.get(
        f"{api}/v1/klines?symbol=BTCUSDT&interval=1d&start=2024-01-01&end=2024-01-03"
    )

    answer = KlinePage.model_validate_json(response.content)
    assert (answer.klines, answer.completeness, answer.complete) == ([], 0.0, False)
    assert [gap.cause for gap in answer.gaps] == [Cause.REPAIRABLE]


def test_catalogue_tells_what_is_stored(api: str) -> None:
    symbols = SymbolPage.model_validate_json(httpx.get(f"{api}/v1/symbols").content).symbols

    series = symbols[0].series[0]
    assert (series.interval, series.count, series.lag_ms) == ("1h", 97, 1)
    assert (series.first_open_ms, series.last_open_ms) == (START_MS, START_MS + 99 * HOUR_MS)


def test_status_tells_the_exchanges_time(api: str) -> None:
    status = StatusShape.model_validate_json(httpx.get(f"{api}/v1/status").content)

    assert (status.now_ms, status.demo, status.demo_ended) == (NOW_MS, False, False)


def test_document_describes_every_parameter(api: str) -> None:
    paths = httpx.get(f"{api}/openapi.json").json()["paths"]

    names = {parameter["name"] for parameter in paths["/v1/klines"]["get"]["parameters"]}
    assert names == {
        "symbol", "currency", "compare", "interval", "start", "end", "cursor", "limit", "fields",
        "order", "as_of", "times", "format",
    }  # fmt: skip
