"""Every panel of every dashboard, asked of a real index: fields exist, answers are right."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import vl_convert
from elasticsearch import Elasticsearch

from forecast_sink.dashboards import Setting, build_dashboards, build_ndjson
from forecast_sink.dashboards.description import Dashboard, Listing
from forecast_sink.dashboards.filters import join_query
from forecast_sink.dashboards.setting import MARKET
from forecast_sink.installation import install_indices
from forecast_sink.watch import Watch
from market.clock import ExchangeClock, Reading
from market.forecast import Action, Signal
from market.interval import HOUR_MS, Interval
from market.kline import Kline
from market.shapes import JobStep
from market.store import Store
from market.store.champions import write_champion
from market.store.forecast_ledger import append_forecast
from market.store.jobs import end_job, report_job, submit_job, take_job
from market.store.score_ledger import write_score_cards
from market.store.symbols import Series
from support.forecasts import add_forecasts, add_klines, add_series, make_forecast
from support.kibana_queries import (
    PanelQuery,
    fill_specification,
    lens_queries,
    objects_of,
    panels_of,
)
from support.klines import START_MS, make_klines
from support.ledger_rows import make_card
from support.panel_sql import ask_sql, load_tables, rows_of
from support.sink import deliver_all, relay_of

DASHBOARDS = build_dashboards(Setting())
NDJSON = build_ndjson(*DASHBOARDS)
SERIES = {"symbol": "BTCUSDT", "interval": "1h"}
QUERIES = [query for dashboard in DASHBOARDS for query in lens_queries(NDJSON, dashboard)]
_NUMBERS = {"double", "short", "long", "byte"}
_CAPABLE = {
    "average": _NUMBERS,
    "sum": _NUMBERS,
    "max": _NUMBERS | {"date"},
    "last_value": _NUMBERS,
    "unique_count": {"keyword"},
    "terms": {"keyword", "short"},
    "date_histogram": {"date"},
}
NOW_MS = START_MS + 120 * HOUR_MS


def add_signals(store: Store, klines: list[Kline]) -> None:
    """Append a challenger's forecasts that would buy and sell, and expect the price to move."""
    actions: tuple[Action, ...] = ("BUY", "SELL")
    for number, kline in enumerate(klines):
        forecast = make_forecast(
            "BTCUSDT", Interval.H1, kline, model="mlp", version="mlp-0123456789ab"
        )
        steps = [
            step.model_copy(update={"point": step.point * (1.001, 0.999)[number % 2]})
            for step in forecast.steps
        ]
        signal = Signal(action=actions[number % 2], reason="the median is beyond the fees")
        append_forecast(store, forecast.model_copy(update={"steps": steps, "signal": signal}))


def add_runs(store: Store) -> None:
    """Add a training that was done and one that failed."""
    for number, (interval, error) in enumerate([("1h", None), ("1d", "too few rows")]):
        request = {"symbol": "BTCUSDT", "interval": interval, "models": ["ridge"]}
        start_ms = NOW_MS - 5 * HOUR_MS
        submit_job(store, "training", request, start_ms)
        job = take_job(store, "training", "me", start_ms, 10_000)
        assert job is not None
        steps = [JobStep(name="ridge", detail=f"fold {number}")]
        running = job.model_copy(update={"steps": steps, "progress": 0.5})
        report_job(store, running, "me", now_ms=start_ms, lease_until_ms=start_ms + 10_000)
        state = "failed" if error else "done"
        end_job(store, job.id, "me", state, error=error, now_ms=start_ms + 60_000)  # type: ignore[arg-type]  # one of the two


@pytest.fixture
def klines(store: Store, series: Series, client: Elasticsearch) -> list[Kline]:
    """120 klines of one symbol and 30 of another, forecasts of two models, runs and scores."""
    made = make_klines(Interval.H1, 120)
    install_indices(client)
    add_klines(store, series, made)
    other = add_series(store, "ETHUSDT", Interval.H1)
    others = make_klines(Interval.H1, 30, seed=2)
    add_klines(store, other, others)
    with store.begin() as connection:
        write_champion(connection, series, "ridge", "ridge-0123456789ab", 0, "first")
        write_champion(connection, series, "mlp", "mlp-0123456789ab", made[60].open_time_ms, "now")
    add_forecasts(store, series, made[70:])
    add_signals(store, made[100:])
    add_forecasts(store, other, others[10:14])
    write_score_cards(store, [make_card(), make_card(model="mlp", version="mlp-0123456789ab")])
    add_runs(store)
    clock = ExchangeClock(lambda: 0.0)
    clock.record(Reading(NOW_MS, 0.0))
    relay = relay_of(store, client, clock)
    watch = Watch(store, client, clock)
    for _ in range(2):  # the second look finds the outbox empty, as the oracle will
        deliver_all(relay)
        watch.look()
    deliver_all(relay)
    client.indices.refresh(index="klinecast-*")
    return made


def test_every_field_of_panels_exists_and_fits(client: Elasticsearch) -> None:
    install_indices(client)
    assert len(QUERIES) > 35

    for query in QUERIES:
        fields = client.field_caps(index=query.alias, fields="*")["fields"]
        for column in query.columns.values():
            if column["operationType"] in ("count", "cumulative_sum"):
                continue
            ((kind, capability),) = fields[column["sourceField"]].items()
            assert kind in _CAPABLE[column["operationType"]], (query.panel, column["label"])
            assert capability["aggregatable"]
        for one in query.filters:
            assert one.field in fields, (query.panel, one)


def test_listings_controls_and_views_name_real_fields(client: Elasticsearch) -> None:
    install_indices(client)
    found = {
        alias: client.field_caps(index=alias, fields="*")["fields"]
        for alias in {view.alias for one in DASHBOARDS for view in one.views}
    }

    for dashboard in DASHBOARDS:
        for view in dashboard.views:
            assert "date" in found[view.alias][view.time_field]
            for control in dashboard.controls:
                # A control filters every panel, so that all its views must know the field.
                if control.field in ("symbol", "interval"):
                    assert control.field in found[view.alias], (dashboard.title, view.alias)
        for control in dashboard.controls:
            ((kind, capability),) = found[control.view.alias][control.field].items()
            assert kind in ("keyword", "short")
            assert capability["aggregatable"]
        for listing in listings_of(dashboard):
            own = found[listing.view.alias]
            assert set(listing.columns) | {field for field, _ in listing.sort} <= set(own)


def listings_of(dashboard: Dashboard) -> Iterator[Listing]:
    yield from (panel for panel in dashboard.panels if isinstance(panel, Listing))


def test_every_lens_panel_answers_as_sql_over_the_store_does(
    store: Store, client: Elasticsearch, klines: list[Kline]
) -> None:
    tables = load_tables(store, NOW_MS)

    for query in QUERIES:
        compare_panel(client, tables, query)


def compare_panel(client: Elasticsearch, tables: sqlite3.Connection, query: PanelQuery) -> None:
    shown = rows_of(query, query.ask(client))
    wanted = ask_sql(tables, query)
    name = f"{query.panel} {query.layer}"
    assert shown, f"{name} is empty"
    assert set(shown) == set(wanted), name
    for key, numbers in wanted.items():
        for mine, theirs in zip(shown[key], numbers, strict=True):
            # A sum over nothing is 0 here and nothing there.
            expected = 0 if theirs is None and mine == 0 else theirs
            if isinstance(expected, float):
                expected = pytest.approx(expected, rel=1e-9, abs=1e-12)
            assert mine == expected, (name, key)


def test_no_panel_is_without_a_number(client: Elasticsearch, klines: list[Kline]) -> None:
    for query in QUERIES:
        rows = rows_of(query, query.ask(client))
        numbers = [number for row in rows.values() for number in row]
        assert any(number is not None for number in numbers), query.panel


def test_listings_find_documents(client: Elasticsearch, klines: list[Kline]) -> None:
    for dashboard in DASHBOARDS:
        for listing in listings_of(dashboard):
            hits = client.search(
                index=listing.view.alias,
                query=join_query(listing.filters),
                sort=[{field: order} for field, order in listing.sort],
            )["hits"]["hits"]
            assert hits, listing.title


def test_market_panels_show_the_stores_numbers(client: Elasticsearch, klines: list[Kline]) -> None:
    """Some numbers by hand, beside the oracle that works for all."""
    chosen = [{"term": {name: value}} for name, value in SERIES.items()]
    answers: dict[str, Any] = {
        f"{query.panel} {query.layer}": query.ask(client, *chosen)
        for query in lens_queries(NDJSON, DASHBOARDS[0])
    }

    volumes = answers["volume layer-0"]["aggregations"]["x-0"]["buckets"]
    assert [bucket["column-0-0"]["value"] for bucket in volumes] == pytest.approx(
        [float(kline.volume) for kline in klines]
    )
    close = answers["last-close layer-0"]["aggregations"]["column-0-0"]
    assert close["hits"]["hits"][0]["_source"] == {"close": float(klines[-1].close)}
    newest = answers["newest-kline layer-0"]["aggregations"]["column-0-0"]["value"]
    assert newest == klines[-1].close_time_ms
    assert answers["forecasts layer-0"]["hits"]["total"]["value"] == 70 * 50


def test_price_band_draws_candles_and_the_newest_forecast_for_each_time(
    client: Elasticsearch, klines: list[Kline], tmp_path: Path
) -> None:
    (panel,) = [one for one in panels_of(NDJSON, MARKET) if one["panelIndex"] == "price-band"]
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
    assert sorted(one["step"] for one in chosen) == sorted([1] * 49 + list(range(1, 51)))
    assert {one["model"] for one in chosen if one["step"] > 1} == {"mlp"}


def test_file_holds_each_object_once() -> None:
    kinds = [(item["type"], item["id"]) for item in objects_of(NDJSON)]
    assert len(set(kinds)) == len(kinds)
    assert sum(kind == "dashboard" for kind, _ in kinds) == 5
