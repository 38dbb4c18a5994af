"""Every panel of the dashboard, asked of a real index: fields exist, answers are right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import vl_convert
from elasticsearch import Elasticsearch

from forecast_sink.dashboards import build_dashboard, build_ndjson
from forecast_sink.installation import install_indices
from market.interval import Interval
from market.kline import Kline
from market.store import Store
from market.store.champions import write_champion
from market.store.forecast_ledger import append_forecast
from market.store.symbols import Series
from support.forecasts import add_forecasts, add_klines, make_forecast
from support.kibana_queries import fill_specification, lens_queries, panels_of
from support.klines import make_klines
from support.sink import deliver_all, relay_of

NDJSON = build_ndjson(build_dashboard(demo=False))
PANELS = panels_of(NDJSON)
SERIES = {"symbol": "BTCUSDT", "interval": "1h"}
_CAPABLE = {
    "average": {"double", "short", "long"},
    "sum": {"double", "short", "long"},
    "max": {"double", "short", "long", "date"},
    "last_value": {"double", "short", "long"},
    "date_histogram": {"date"},
}


@pytest.fixture
def klines(store: Store, series: Series, client: Elasticsearch) -> list[Kline]:
    """120 klines, a champion's forecast after each of the last 72 and one challenger's."""
    made = make_klines(Interval.H1, 120)
    install_indices(client)
    add_klines(store, series, made)
    with store.begin() as connection:
        write_champion(connection, series, "ridge", "ridge-0123456789ab", 0, "first")
    add_forecasts(store, series, made[48:])
    challenger = make_forecast("BTCUSDT", Interval.H1, made[-1], model="mlp", version="mlp-1")
    append_forecast(store, challenger)
    deliver_all(relay_of(store, client))
    client.indices.refresh(index="klinecast-*")
    return made


def test_every_field_of_panels_and_controls_exists_and_fits(client: Elasticsearch) -> None:
    install_indices(client)
    queries = list(lens_queries(PANELS))
    assert len(queries) == 7

    for query in queries:
        fields = client.field_caps(index=query.alias, fields="*")["fields"]
        for column in query.columns.values():
            if column["operationType"] == "count":
                continue
            ((kind, capability),) = fields[column["sourceField"]].items()
            assert kind in _CAPABLE[column["operationType"]], (query.panel, column["label"])
            assert capability["aggregatable"]


def test_listing_and_controls_name_real_fields(client: Elasticsearch) -> None:
    install_indices(client)
    objects = [orjson.loads(line) for line in NDJSON.splitlines()]
    (search,) = [item["attributes"] for item in objects if item["type"] == "search"]
    (dashboard,) = [item["attributes"] for item in objects if item["type"] == "dashboard"]
    views = {i["id"]: i["attributes"] for i in objects if i["type"] == "index-pattern"}

    forecast_fields = client.field_caps(index="klinecast-forecasts", fields="*")["fields"]
    assert set(search["columns"]) | {field for field, _ in search["sort"]} <= set(forecast_fields)
    for control in orjson.loads(dashboard["controlGroupInput"]["panelsJSON"]).values():
        chosen = control["explicitInput"]
        fields = client.field_caps(index=chosen["dataViewId"], fields=chosen["fieldName"])["fields"]
        assert fields[chosen["fieldName"]]
    for alias, view in views.items():
        fields = client.field_caps(index=alias, fields=view["timeFieldName"])["fields"]
        assert "date" in fields[view["timeFieldName"]]


def test_lens_panels_answer_with_the_stores_numbers(
    client: Elasticsearch, klines: list[Kline]
) -> None:
    answers: dict[str, Any] = {}
    for query in lens_queries(PANELS):
        answer = client.search(
            index=query.alias, size=0, track_total_hits=True, aggs=query.aggregations
        )
        answers[f"{query.panel} {query.alias}"] = answer.body

    volumes = answers["volume klinecast-klines"]["aggregations"]["x-0"]["buckets"]
    assert [bucket["column-0-0"]["value"] for bucket in volumes] == pytest.approx(
        [float(kline.volume) for kline in klines]
    )
    close = answers["last-close klinecast-klines"]["aggregations"]["column-0-0"]
    assert close["hits"]["hits"][0]["_source"] == {"close": float(klines[-1].close)}
    newest = answers["newest-kline klinecast-klines"]["aggregations"]["column-0-0"]["value"]
    assert newest == klines[-1].close_time_ms
    made = answers["newest-forecast klinecast-forecasts"]["aggregations"]["column-0-0"]["value"]
    assert made == klines[-1].close_time_ms + 1000
    assert answers["forecasts klinecast-forecasts"]["hits"]["total"]["value"] == 73 * 50
    bands = answers["actual-and-forecast klinecast-forecasts"]["aggregations"]["x-1"]["buckets"]
    assert len(bands) == 71 + 50
    assert all(b["column-1-0"]["value"] < b["column-1-2"]["value"] for b in bands)


def test_price_band_draws_candles_and_the_newest_forecast_for_each_time(
    client: Elasticsearch, klines: list[Kline], tmp_path: Path
) -> None:
    (panel,) = [panel for panel in PANELS if panel["panelIndex"] == "price-band"]
    parameters = panel["embeddableConfig"]["savedVis"]["params"]

    filled = fill_specification(client, orjson.loads(parameters["spec"]), SERIES)
    picture = vl_convert.vegalite_to_png(
        orjson.dumps({**filled, "width": 1200, "height": 420}).decode(), vl_version="5.20"
    )

    (tmp_path / "price-band.png").write_bytes(picture)
    assert picture.startswith(b"\x89PNG")
    forecasts, candles = (layer["data"]["values"] for layer in filled["layer"])
    assert len(candles) == len(klines)
    chosen = [bucket["newest"]["hits"]["hits"][0]["_source"] for bucket in forecasts]
    # One step ahead for what has passed, then fifty from the newest forecast: the champion's.
    assert sorted(one["step"] for one in chosen) == sorted([1] * 71 + list(range(1, 51)))
    assert {one["model"] for one in chosen} == {"ridge"}
