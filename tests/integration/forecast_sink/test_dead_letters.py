"""Documents that Elasticsearch refuses: kept with the reason, sent again, forgotten."""

from __future__ import annotations

import pytest
from elasticsearch import Elasticsearch

from forecast_sink.installation import install_indices
from market.errors import ServiceUnavailable
from market.interval import Interval
from market.store import Store
from market.store.outbox import announce, bury, read_dead_letters, read_outbox
from market.store.symbols import Series
from support.forecasts import add_forecasts, add_klines
from support.klines import make_klines
from support.recording_server import recording
from support.sink import documents, relay_of, run_sink, waiting

KLINES, FORECASTS = "klinecast-klines", "klinecast-forecasts"


def test_rejected_document_is_a_dead_letter_until_it_is_retried(
    store: Store,
    series: Series,
    client: Elasticsearch,
    sqlite_url: str,
    elasticsearch_url: str,
) -> None:
    install_indices(client)
    client.indices.delete(index=f"{KLINES}-000001")
    narrow = {"dynamic": "strict", "_meta": {"managed_by": "klinecast", "version": 1}}
    client.indices.create(
        index="other-klines",
        mappings={**narrow, "properties": {"symbol": {"type": "keyword"}}},
        aliases={KLINES: {}},
    )
    environment = {
        "KLINECAST_STORE_URL": sqlite_url,
        "KLINECAST_ELASTICSEARCH_URL": elasticsearch_url,
    }
    try:
        klines = make_klines(Interval.H1, 2)
        add_klines(store, series, klines)
        add_forecasts(store, series, klines[:1])
        relay = relay_of(store, client)
        relay.deliver()

        with store.read() as connection:
            letters = read_dead_letters(connection)
        listed = run_sink(environment, "dead", "list")
    finally:
        client.indices.delete(index="other-klines")
    assert (len(letters), waiting(store)) == (2, 0)
    assert len(documents(client, FORECASTS)) == 50
    assert "mapping set to strict" in listed.stderr
    assert "2 dead letters" in listed.stderr

    install_indices(client)
    one = run_sink(environment, "dead", "retry", "--key", letters[0][1])
    unknown = run_sink(environment, "dead", "drop", "--key", "nothing")
    relay.deliver()
    dropped = run_sink(environment, "dead", "drop", "--json")

    assert "1 dead letters announced again" in one.stderr
    assert unknown.returncode == 1
    assert "there is no dead letter 'nothing'" in unknown.stderr
    assert list(documents(client, KLINES)) == [letters[0][1]]
    assert dropped.stdout == '{"dropped":1}\n'


def test_delivering_a_dead_letter_after_all_buries_it_no_longer(
    store: Store, series: Series, client: Elasticsearch
) -> None:
    install_indices(client)
    key = f"BTCUSDT|1h|ridge-0123456789ab|{make_klines(Interval.H1, 1)[0].open_time_ms}"
    with store.begin() as connection:
        announce(connection, "forecasts", [key], 1)
    relay = relay_of(store, client)
    relay.deliver()
    with store.read() as connection:
        assert read_dead_letters(connection)[0][2] == "the ledger holds no such forecast"

    add_forecasts(store, series, make_klines(Interval.H1, 1))
    relay.deliver()

    with store.read() as connection:
        assert read_dead_letters(connection) == []


@pytest.mark.parametrize(
    ("index", "key", "reason"),
    [
        ("surprises", "a", "there is no such index"),
        ("klines", "BTCUSDT|7m|0", "interval was '7m'"),
        ("klines", "NOSUCH|1h|0", "symbol 'NOSUCH' is not known"),
        ("klines", "nonsense", "not enough values"),
        ("forecasts", "nonsense", "forecast_id was 'nonsense'"),
    ],
)
def test_key_that_names_nothing_is_a_dead_letter(
    store: Store, client: Elasticsearch, index: str, key: str, reason: str
) -> None:
    install_indices(client)
    with store.begin() as connection:
        announce(connection, index, [key], 1)

    relay_of(store, client).deliver()

    with store.read() as connection:
        assert reason in read_dead_letters(connection)[0][2]
    assert waiting(store) == 0


def test_missing_alias_becomes_no_index_and_costs_no_letter(
    store: Store, series: Series, client: Elasticsearch
) -> None:
    install_indices(client)
    add_klines(store, series, make_klines(Interval.H1, 3))
    relay = relay_of(store, client)
    relay.deliver()
    add_klines(store, series, make_klines(Interval.H1, 3, seed=2))
    client.indices.delete(index=f"{KLINES}-000001")

    with pytest.raises(ServiceUnavailable, match="require_alias"):
        relay.deliver()

    assert waiting(store) == 3
    assert not client.indices.exists(index=KLINES)


def test_letters_are_announced_again_at_the_exchanges_time(store: Store, sqlite_url: str) -> None:
    with store.begin() as connection:
        announce(connection, "klines", ["a", "b"], 1)
        for letter in read_outbox(connection, 2):
            bury(connection, letter, "refused", 2)
    with recording() as server:
        server.answer("GET /api/v3/time", (200, {"serverTime": 1_700_000_000_000}))
        environment = {"KLINECAST_STORE_URL": sqlite_url, "KLINECAST_HISTORY_URL": server.url}

        run_sink(environment, "dead", "retry", "--key", "a")

    with store.read() as connection:
        (again,) = read_outbox(connection, 2)
    assert (again.key, again.changed_at_ms) == ("a", 1_700_000_000_000)
