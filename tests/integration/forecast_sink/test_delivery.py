"""The relay on a real store and a real Elasticsearch: everything arrives, once."""

from __future__ import annotations

import random
import time

import orjson
from elasticsearch import Elasticsearch

from forecast_sink.documents import StepChoice, build_forecast_documents, build_kline_document
from forecast_sink.installation import install_indices
from forecast_sink.retention import trim_klines
from market.interval import Interval
from market.store import Store
from market.store import tables as t
from market.store.champions import write_champion
from market.store.outbox import announce, kline_key
from market.store.symbols import Series
from support.forecasts import add_forecasts, add_klines, add_series
from support.klines import make_klines
from support.sink import (
    StartRelay,
    deliver_all,
    documents,
    relay_of,
    run_sink,
    wait_for_empty_outbox,
    waiting,
)

KLINES, FORECASTS = "klinecast-klines", "klinecast-forecasts"


def test_klines_and_forecasts_arrive_as_their_documents(
    store: Store, series: Series, client: Elasticsearch
) -> None:
    install_indices(client)
    klines = make_klines(Interval.H1, 30)
    add_klines(store, series, klines)
    with store.begin() as connection:
        write_champion(connection, series, "ridge", "ridge-0123456789ab", 0, "first")
    forecasts = add_forecasts(store, series, klines[-2:])

    deliver_all(relay_of(store, client))

    wanted = [build_kline_document("BTCUSDT", Interval.H1, kline) for kline in klines]
    assert documents(client, KLINES) == {one.identity: one.body for one in wanted}
    closes = {kline.close_time_ms: float(kline.close) for kline in klines}
    steps = [
        document
        for forecast in forecasts
        for document in build_forecast_documents(
            forecast, StepChoice(), champion=True, closes=closes
        )
    ]
    assert documents(client, FORECASTS) == {one.identity: one.body for one in steps}
    assert waiting(store) == 0


def test_fields_that_another_writer_added_stay(
    store: Store, series: Series, client: Elasticsearch
) -> None:
    install_indices(client)
    client.indices.put_mapping(index=KLINES, properties={"note": {"type": "keyword"}})
    klines = make_klines(Interval.H1, 1)
    add_klines(store, series, klines)
    deliver_all(relay_of(store, client))
    identity = kline_key(series, klines[0].open_time_ms)
    client.update(index=KLINES, id=identity, doc={"note": "kept"})

    changed = klines[0]._replace(close="43000.00000000", high="44000.00000000")
    add_klines(store, series, [changed])
    deliver_all(relay_of(store, client))

    found = documents(client, KLINES)[identity]
    assert (found["note"], found["close"]) == ("kept", 43000.0)


def test_kline_that_left_the_store_leaves_the_index(
    store: Store, series: Series, client: Elasticsearch
) -> None:
    install_indices(client)
    klines = make_klines(Interval.H1, 3)
    add_klines(store, series, klines)
    deliver_all(relay_of(store, client))
    with store.begin() as connection:
        gone = t.klines.c.open_time_ms == klines[1].open_time_ms
        connection.execute(t.klines.delete().where(gone))
        announce(connection, "klines", [kline_key(series, klines[1].open_time_ms)], 5)

    deliver_all(relay_of(store, client))

    left = [kline_key(series, klines[number].open_time_ms) for number in (0, 2)]
    assert sorted(documents(client, KLINES)) == sorted(left)


def test_announcement_during_a_delivery_is_not_lost(
    store: Store, series: Series, client: Elasticsearch
) -> None:
    """A kline changes after the relay read it and before it confirms."""
    install_indices(client)
    kline = make_klines(Interval.H1, 1)[0]
    add_klines(store, series, [kline])
    relay = relay_of(store, client)
    changed = kline._replace(close="43000.00000000", high="44000.00000000")

    class Meanwhile(Elasticsearch):
        """The real client, beside which somebody writes while a request is under way."""

        is_due = True

        def perform_request(self, *arguments: object, **options: object) -> object:  # type: ignore[override]  # passed on as it is
            answer = super().perform_request(*arguments, **options)  # type: ignore[arg-type]  # the same
            if Meanwhile.is_due and "/_bulk" in str(arguments):
                Meanwhile.is_due = False
                add_klines(store, series, [changed])
            return answer

    node = next(iter(client.transport.node_pool.all())).config
    with Meanwhile(f"http://{node.host}:{node.port}") as racing:
        relay = relay_of(store, racing)
        relay.deliver()
        assert not Meanwhile.is_due
        assert waiting(store) == 1

        deliver_all(relay)

    assert next(iter(documents(client, KLINES).values()))["close"] == 43000.0


def test_relay_killed_at_random_moments_delivers_everything_once(
    store: Store, series: Series, client: Elasticsearch, start_relay: StartRelay
) -> None:
    install_indices(client)
    klines = make_klines(Interval.H1, 400)
    dice = random.Random(7)
    kills = 0

    for start in range(0, 400, 100):
        part = klines[start : start + 100]
        add_klines(store, series, part)
        add_forecasts(store, series, part[::5])
        with start_relay() as relay:
            relay.wait_until_ready()
            time.sleep(dice.uniform(0, 0.3))
            relay.process.kill()
            relay.process.wait()
            kills += 1
    with start_relay() as relay:
        relay.wait_until_ready()
        wait_for_empty_outbox(store, relay)

    assert kills == 4
    assert sorted(documents(client, KLINES)) == sorted(
        kline_key(series, kline.open_time_ms) for kline in klines
    )
    assert len(documents(client, FORECASTS)) == 80 * 50


def test_relay_ends_on_sigterm_with_status_0(
    store: Store, series: Series, client: Elasticsearch, start_relay: StartRelay
) -> None:
    install_indices(client)
    with start_relay() as relay:
        relay.wait_until_ready()
        relay.process.terminate()

        assert relay.process.wait(10) == 0


def test_relay_names_what_is_not_installed(
    store: Store, client: Elasticsearch, start_relay: StartRelay
) -> None:
    with start_relay() as relay:
        while "not installed" not in relay.readiness()[1].get("relay", ""):
            assert relay.process.poll() is None
            time.sleep(0.1)

        install_indices(client)
        relay.wait_until_ready()


def test_steps_of_the_setting_are_delivered(
    store: Store, client: Elasticsearch, start_relay: StartRelay
) -> None:
    install_indices(client)
    series = add_series(store, "ETHUSDT", Interval.M5)
    add_forecasts(store, series, make_klines(Interval.M5, 1))

    with start_relay(SINK_STEPS="1,2") as relay:
        relay.wait_until_ready()
        wait_for_empty_outbox(store, relay)

    assert sorted(one["step"] for one in documents(client, FORECASTS).values()) == [1, 2]


def test_window_keeps_the_newest_klines(
    store: Store, series: Series, client: Elasticsearch
) -> None:
    install_indices(client)
    klines = make_klines(Interval.H1, 30)
    add_klines(store, series, klines)
    deliver_all(relay_of(store, client))

    removed = trim_klines(store, client, 10)

    assert removed == 20
    assert sorted(documents(client, KLINES)) == sorted(
        kline_key(series, kline.open_time_ms) for kline in klines[-10:]
    )


def test_check_and_rebuild_restore_a_damaged_index(
    store: Store,
    series: Series,
    client: Elasticsearch,
    sqlite_url: str,
    elasticsearch_url: str,
) -> None:
    install_indices(client)
    klines = make_klines(Interval.H1, 20)
    add_klines(store, series, klines)
    add_forecasts(store, series, klines[-3:])
    deliver_all(relay_of(store, client))
    environment = {
        "KLINECAST_STORE_URL": sqlite_url,
        "KLINECAST_ELASTICSEARCH_URL": elasticsearch_url,
    }
    assert run_sink(environment, "check").returncode == 0
    client.delete(index=FORECASTS, id=next(iter(documents(client, FORECASTS))))

    found = run_sink(environment, "check", "--json")
    rebuilt = run_sink(environment, "rebuild", "forecasts", "--json")
    klines_rebuilt = run_sink({**environment, "SINK_KLINES": "15"}, "rebuild", "klines", "--json")
    deliver_all(relay_of(store, client))

    assert found.returncode == 1
    assert len(orjson.loads(found.stdout)["missing"]) == 1
    assert orjson.loads(rebuilt.stdout) == {"index": f"{FORECASTS}-000002", "documents": 150}
    assert run_sink(environment, "check").returncode == 0
    assert orjson.loads(klines_rebuilt.stdout)["documents"] == 15
    assert len(documents(client, KLINES)) == 15
    assert list(client.indices.get(index="klinecast-forecasts-*")) == [f"{FORECASTS}-000002"]


def test_check_misses_klines_at_either_end_and_of_a_whole_series(
    store: Store,
    series: Series,
    client: Elasticsearch,
    sqlite_url: str,
    elasticsearch_url: str,
) -> None:
    install_indices(client)
    klines = make_klines(Interval.H1, 20)
    add_klines(store, series, klines)
    deliver_all(relay_of(store, client))
    environment = {
        "KLINECAST_STORE_URL": sqlite_url,
        "KLINECAST_ELASTICSEARCH_URL": elasticsearch_url,
    }
    client.delete(index=KLINES, id=kline_key(series, klines[-1].open_time_ms))

    without_newest = run_sink(environment, "check", "--json")
    for identity in documents(client, KLINES):
        client.delete(index=KLINES, id=identity)
    empty = run_sink(environment, "check", "--json")

    assert (without_newest.returncode, empty.returncode) == (1, 1)
    assert orjson.loads(without_newest.stdout)["klines"] == {"indexed": 19, "stored": 20}
    assert orjson.loads(empty.stdout)["klines"] == {"indexed": 0, "stored": 1}
