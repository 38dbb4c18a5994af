"""The same delivery from a MySQL store."""

from __future__ import annotations

from elasticsearch import Elasticsearch

from forecast_sink import dead_letters
from forecast_sink.installation import install_indices
from market.interval import Interval
from market.store import open_store
from market.store.outbox import announce
from market.store.schema import migrate
from support.forecasts import add_forecasts, add_klines, add_series
from support.klines import make_klines
from support.sink import deliver_all, documents, relay_of, waiting


def test_mysql_store_is_delivered_and_its_dead_letters_handled(
    mysql_url: str, client: Elasticsearch
) -> None:
    install_indices(client)
    store = open_store(mysql_url)
    migrate(store)
    series = add_series(store, "BTCUSDT", Interval.H1)
    klines = make_klines(Interval.H1, 5)
    add_klines(store, series, klines)
    add_forecasts(store, series, klines[-1:])
    with store.begin() as connection:
        announce(connection, "klines", ["nonsense", "NOSUCH|1h|0"], 1)

    deliver_all(relay_of(store, client))

    found = documents(client, "klinecast-klines").values()
    assert sorted(one["close"] for one in found) == sorted(float(one.close) for one in klines)
    assert len(documents(client, "klinecast-forecasts")) == 50
    assert (waiting(store), len(dead_letters.read(store))) == (0, 2)
    assert dead_letters.retry(store, ["nonsense"], 1) == 1
    assert (waiting(store), len(dead_letters.read(store))) == (1, 1)
    assert dead_letters.drop(store, None) == 1
    assert dead_letters.drop(store, None) == 0
    store.close()
