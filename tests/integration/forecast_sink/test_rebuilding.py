"""Making an index anew from the store: beside a relay, cut short, and of an older version."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest
from elasticsearch import Elasticsearch

from forecast_sink import rebuilding
from forecast_sink.indices import FORECASTS, PLANS
from forecast_sink.installation import install_indices, installed_problem, pending_index
from forecast_sink.rebuilding import rebuild_index
from forecast_sink.sources.registry import SOURCES
from forecast_sink.sources.scope import Choices, Scope
from forecast_sink.verification import compare
from forecast_sink.watch import Watch
from market.clock import ExchangeClock
from market.interval import Interval
from market.kline import Kline
from market.store import Store
from market.store.symbols import Series
from support.forecasts import add_forecasts, add_klines
from support.klines import make_klines
from support.sink import deliver_all, documents, relay_of, run_sink

CHOICES = Choices()


@pytest.fixture
def klines(store: Store, series: Series, client: Elasticsearch) -> list[Kline]:
    """Thirty klines and a forecast after each of the last four, all delivered."""
    install_indices(client)
    made = make_klines(Interval.H1, 30)
    add_klines(store, series, made)
    add_forecasts(store, series, made[-4:])
    Watch(store, client, ExchangeClock()).look()
    deliver_all(relay_of(store, client))
    return made


@pytest.mark.parametrize("name", [plan.name for plan in PLANS])
def test_rebuilt_index_holds_what_the_old_one_held(
    store: Store, client: Elasticsearch, klines: list[Kline], name: str
) -> None:
    before = documents(client, f"klinecast-{name}")
    old = list(client.indices.get(index=f"klinecast-{name}"))

    made, count = rebuild_index(store, client, name, CHOICES, ExchangeClock().now_ms())

    after = documents(client, f"klinecast-{name}")
    ignored = {"checked_at", "kline_lag", "forecast_lag", "waiting", "outbox_lag", "detail"}
    assert count == len(before)
    assert set(after) == set(before)
    for identity, body in before.items():
        assert {k: v for k, v in after[identity].items() if k not in ignored} == {
            k: v for k, v in body.items() if k not in ignored
        }
    if name != "events":
        assert list(client.indices.get(index=f"klinecast-{name}")) == [made] != old
    assert installed_problem(client) is None


def test_readers_see_the_old_index_and_the_relays_newer_state_stays(
    store: Store,
    series: Series,
    client: Elasticsearch,
    klines: list[Kline],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A kline changes and is delivered after its row was read for the new index."""
    source = SOURCES["klines"]
    changed = klines[7]._replace(close="43000.00000000", high="44000.00000000")
    seen = []

    def iter_keys(store: Store, scope: Scope) -> Iterator[list[str]]:
        pages = list(source.iter_keys(store, scope))
        yield from pages
        add_klines(store, series, [changed])
        deliver_all(relay_of(store, client))
        seen.append(len(documents(client, "klinecast-klines")))

    monkeypatch.setitem(SOURCES, "klines", source._replace(iter_keys=iter_keys))
    rebuild_index(store, client, "klines", CHOICES, 0)

    assert seen == [30]
    found = documents(client, "klinecast-klines")
    assert len(found) == 30
    assert found[f"BTCUSDT|1h|{changed.open_time_ms}"]["close"] == 43000.0


def test_rebuild_that_was_cut_short_goes_on(
    store: Store, client: Elasticsearch, klines: list[Kline], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SOURCES["forecasts"]

    def iter_half(store: Store, scope: Scope) -> Iterator[list[str]]:
        for page in source.iter_keys(store, scope):
            yield page[:2]
            raise KeyboardInterrupt

    monkeypatch.setattr(rebuilding, "_MOST", 1)
    with monkeypatch.context() as half:
        half.setitem(SOURCES, "forecasts", source._replace(iter_keys=iter_half))
        with pytest.raises(KeyboardInterrupt):
            rebuild_index(store, client, "forecasts", CHOICES, 0)

    assert pending_index(client, FORECASTS) == "klinecast-forecasts-000002"
    assert install_indices(client)["index klinecast-forecasts"] == "outdated"
    assert len(documents(client, "klinecast-forecasts")) == 200  # the old one is still shown
    made, count = rebuild_index(store, client, "forecasts", CHOICES, 0)
    assert (made, count) == ("klinecast-forecasts-000002", 200)
    assert list(client.indices.get(index="klinecast-forecasts-*")) == [made]


def test_install_migrates_an_index_of_an_older_version(
    store: Store,
    client: Elasticsearch,
    klines: list[Kline],
    sqlite_url: str,
    elasticsearch_url: str,
) -> None:
    """The mapping of before the truth was indexed: refused by name, then made anew."""
    older = {
        "dynamic": "strict",
        "_meta": {"managed_by": "klinecast", "version": 1},
        "properties": {"symbol": {"type": "text"}},
    }
    client.indices.delete(index="klinecast-forecasts-000001")
    client.indices.create(
        index="klinecast-forecasts-000001",
        mappings=older,
        aliases={"klinecast-forecasts": {"is_write_index": True}},
    )
    environment = {
        "KLINECAST_STORE_URL": sqlite_url,
        "KLINECAST_ELASTICSEARCH_URL": elasticsearch_url,
        "KLINECAST_HISTORY_URL": "http://127.0.0.1:9",
    }

    done = run_sink(environment, "install", "--json")

    assert done.returncode == 0, done.stderr
    told = orjson.loads(done.stdout)["index klinecast-forecasts"]
    assert told == "made anew as klinecast-forecasts-000002 with 200 documents"
    assert len(documents(client, "klinecast-forecasts")) == 200
    again = orjson.loads(run_sink(environment, "install", "--json").stdout)
    assert set(again.values()) == {"unchanged"}
    report = compare(store, client, CHOICES, 0)
    assert (report.missing, report.stale) == ([], [])


def test_check_names_a_document_that_says_something_else(
    store: Store, client: Elasticsearch, klines: list[Kline]
) -> None:
    identity = next(iter(documents(client, "klinecast-signals")))
    client.update(index="klinecast-signals", id=identity, doc={"action": "BUY"}, refresh=True)

    report = compare(store, client, CHOICES, 0)

    assert (report.missing, report.stale) == ([], [identity])
    assert not report.agrees
