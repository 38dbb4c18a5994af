from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from market.errors import InvalidParameter, NotFound
from market.interval import HOUR_MS, Interval
from market.store import Store
from market.store.forecast_ledger import (
    GENESIS,
    append_forecast,
    chain_hash,
    read_forecast,
    read_forecasts,
    verify_chain,
)
from market.store.outbox import read_outbox
from market.store.symbols import Series
from support.klines import START_MS
from support.ledger_rows import make_forecast
from support.stores import count, rows


def fill(store: Store, size: int = 5) -> None:
    for number in range(size):
        append_forecast(store, make_forecast(START_MS + number * HOUR_MS))


def test_forecast_comes_back_as_it_was(store: Store, series: Series) -> None:
    forecast = make_forecast()

    append_forecast(store, forecast)

    with store.read() as connection:
        assert read_forecast(connection, forecast.forecast_id) == forecast
        assert read_forecasts(connection, series) == [forecast]


def test_appending_twice_keeps_the_first(store: Store, series: Series) -> None:
    first = make_forecast()
    other = first.model_copy(update={"made_at_ms": first.made_at_ms + 1})

    append_forecast(store, first)
    returned = append_forecast(store, other)

    assert returned == first
    assert count(store, "forecasts") == 1


def test_forecast_is_announced_in_the_same_transaction(store: Store, series: Series) -> None:
    forecast = make_forecast()

    append_forecast(store, forecast)

    with store.read() as connection:
        (announcement,) = read_outbox(connection, 10)
    assert (announcement.index_name, announcement.key) == ("forecasts", forecast.forecast_id)


def test_unknown_symbol_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="BTCUSDT"):
        append_forecast(store, make_forecast())

    assert count(store, "outbox") == 0


def test_forecasts_are_read_newest_first_and_by_page(store: Store, series: Series) -> None:
    fill(store)
    append_forecast(store, make_forecast(model="mlp", version="mlp-1"))

    with store.read() as connection:
        page = read_forecasts(connection, series, model="ridge", limit=2)
        rest = read_forecasts(
            connection, series, model="ridge", before_ms=page[-1].cutoff_ms, limit=10
        )
        one = read_forecasts(connection, series, cutoff_ms=START_MS, limit=10)

    cutoffs = [forecast.cutoff_ms for forecast in page + rest]
    assert cutoffs == [START_MS + number * HOUR_MS for number in (4, 3, 2, 1, 0)]
    assert {forecast.model for forecast in one} == {"ridge", "mlp"}


@pytest.mark.parametrize("wrong", ["", "BTCUSDT", "BTCUSDT|1h|v", "BTCUSDT|1h|v|soon", "A|1h|v|-1"])
def test_text_that_is_no_id_is_refused(store: Store, series: Series, wrong: str) -> None:
    with pytest.raises(InvalidParameter, match="forecast_id"), store.read() as connection:
        read_forecast(connection, wrong)


def test_honest_chain_holds(store: Store, series: Series) -> None:
    fill(store)

    with store.read() as connection:
        assert verify_chain(connection, series, "ridge") == []
    chain = rows(store, "SELECT previous_hash, hash, payload FROM forecasts ORDER BY id")
    assert chain[0]["previous_hash"] == GENESIS
    for before, after in zip(chain, chain[1:], strict=False):
        assert after["previous_hash"] == before["hash"]
        assert after["hash"] == chain_hash(before["hash"], after["payload"])


def test_changed_row_breaks_the_chain(store: Store, series: Series) -> None:
    fill(store)
    with store.begin() as connection:
        connection.execute(
            text(
                "UPDATE forecasts SET payload = REPLACE(payload, 'HOLD', 'BUY')"
                " WHERE cutoff_ms = :c"
            ),
            {"c": START_MS + 2 * HOUR_MS},
        )

    with store.read() as connection:
        (broken,) = verify_chain(connection, series, "ridge")

    assert broken.forecast_id == make_forecast(START_MS + 2 * HOUR_MS).forecast_id
    assert "changed" in broken.reason


@pytest.mark.parametrize("removed", [0, 2])
def test_removed_row_breaks_the_chain(store: Store, series: Series, removed: int) -> None:
    fill(store)
    with store.begin() as connection:
        connection.execute(
            text("DELETE FROM forecasts WHERE cutoff_ms = :c"),
            {"c": START_MS + removed * HOUR_MS},
        )

    with store.read() as connection:
        (broken,) = verify_chain(connection, series, "ridge")

    assert broken.forecast_id == make_forecast(START_MS + (removed + 1) * HOUR_MS).forecast_id
    assert "predecessor" in broken.reason


def test_each_model_has_its_own_chain(store: Store, series: Series) -> None:
    fill(store, 2)
    append_forecast(store, make_forecast(model="mlp", version="mlp-1"))
    fill(store, 4)

    with store.read() as connection:
        assert verify_chain(connection, series, "ridge") == []
        assert verify_chain(connection, series, "mlp") == []


def test_appends_at_once_do_not_fork_the_chain(store: Store, series: Series) -> None:
    cutoffs = [START_MS + number * HOUR_MS for number in range(24)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda cutoff: append_forecast(store, make_forecast(cutoff)), cutoffs))

    assert count(store, "forecasts") == count(store, "outbox") == 24
    with store.read() as connection:
        assert verify_chain(connection, series, "ridge") == []


def test_same_forecast_appended_at_once_is_stored_once(store: Store, series: Series) -> None:
    variants = [make_forecast().model_copy(update={"made_at_ms": number}) for number in range(8)]

    with ThreadPoolExecutor(4) as pool:
        returned = list(pool.map(lambda forecast: append_forecast(store, forecast), variants))

    assert count(store, "forecasts") == 1
    assert len({forecast.made_at_ms for forecast in returned}) == 1


def test_other_interval_is_another_series(store: Store, series: Series) -> None:
    append_forecast(store, make_forecast(interval=Interval.D1))

    with store.read() as connection:
        assert read_forecasts(connection, series) == []
