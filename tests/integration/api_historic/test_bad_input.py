"""Bad input gets one clear error of the right status, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from market.interval import Interval
from market.shapes import ErrorBody
from market.store import open_store
from support.history_api import add_series, history_api, new_store
from support.klines import START_MS, make_klines
from support.ports import free_port

BTC = "symbol=BTCUSDT&interval=1h"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API over a few hours."""
    store = new_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
    add_series(store, "BTCUSDT", Interval.H1, make_klines(Interval.H1, 5))
    with history_api(store, START_MS + 10**9) as url:
        yield url


@pytest.fixture(scope="module")
def api_without_store() -> Iterator[str]:
    """The API, its database not there."""
    url = f"mysql://market:secret@127.0.0.1:{free_port()}/market"
    with history_api(open_store(url), START_MS) as address:
        yield address


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("klines?symbol=NONE&interval=1h", 404, "symbol 'NONE' is not known here"),
        ("klines?symbol=BTCUSDT", 422, "interval was not given"),
        ("klines?symbol=BTCUSDT&interval=7m", 422, "interval was '7m'; expected one of 1s 1m"),
        ("klines?interval=1h", 422, "either `symbol`"),
        ("klines?currency=BTC&interval=1h", 422, "both `currency` and `compare`"),
        (f"klines?{BTC}&currency=BTC&compare=USDT", 422, "either `symbol`"),
        (f"klines?{BTC}&start=yesterday", 422, "start was 'yesterday'; expected YYYY-MM-DD"),
        (f"klines?{BTC}&start=2024-01-01T00:00:00", 422, "start was '2024-01-01T00:00:00'"),
        (f"klines?{BTC}&start=-1", 422, "start was '-1'"),
        (f"klines?{BTC}&end={'9' * 400}", 422, "end was '999"),
        (f"klines?{BTC}&start=20&end=10", 422, "end was 10; expected a time that is not before"),
        (f"klines?{BTC}&limit=0", 422, "limit was '0'; expected an integer from 1 to 100000"),
        (f"klines?{BTC}&limit=100001", 422, "limit was '100001'"),
        (f"klines?{BTC}&limit={'9' * 5000}", 422, "limit was '999"),
        (f"klines?{BTC}&fields=open,colour", 422, "fields was 'open,colour'; expected different"),
        (f"klines?{BTC}&fields=open,open", 422, "fields was 'open,open'"),
        (f"klines?{BTC}&cursor=zzz", 422, "cursor was 'zzz'; expected the value of `next`"),
        (f"klines?{BTC}&from=3", 422, "parameter was 'from'; expected one of symbol, currency,"),
        (f"klines?{BTC}&interval=1d", 422, "interval was ['1h', '1d']; expected one value"),
        (f"klines/latest?{BTC}&start=3", 422, "parameter was 'start'"),
        (f"forecasts?{BTC}&horizon=51", 422, "horizon was '51'; expected an integer from 1 to 50"),
        (f"forecasts?{BTC}", 404, "there is no forecast of BTCUSDT 1h"),
        (f"forecasts?{BTC}&model=ridge", 404, "there is no forecast of BTCUSDT 1h by ridge"),
        ("scores?symbol=NONE", 404, "symbol 'NONE' is not known here"),
        ("scores?kind=dream", 422, "kind was 'dream'; expected 'replay' or 'live'"),
        ("jobs/0", 404, "job '0' does not exist"),
        ("status?x=1", 422, "this address takes no parameters"),
        ("nothing", 404, ""),
        ("klines?symbol=BTCUSDT'%20OR%20'1'='1&interval=1h", 404, "is not known here"),
    ],
)
def test_wrong_request_gets_one_error(api: str, path: str, status: int, detail: str) -> None:
    response = httpx.get(f"{api}/v1/{path}")

    body = ErrorBody.model_validate_json(response.content)
    assert response.status_code == status
    assert detail in body.detail


def test_other_method_is_refused(api: str) -> None:
    assert httpx.delete(f"{api}/v1/klines").status_code == 405


@pytest.mark.parametrize("path", [f"klines?{BTC}", "symbols", f"forecasts?{BTC}", "scores", "jobs"])
def test_store_that_is_down_is_named(api_without_store: str, path: str) -> None:
    response = httpx.get(f"{api_without_store}/v1/{path}")

    body = ErrorBody.model_validate_json(response.content)
    assert (response.status_code, body.error) == (503, "StoreUnavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert "secret" not in response.text


def test_store_that_is_down_is_binances_internal_error(api_without_store: str) -> None:
    response = httpx.get(f"{api_without_store}/api/v3/klines?{BTC}")

    assert response.status_code == 503
    assert response.headers["Retry-After"]
    assert response.json()["code"] == -1001


def test_readiness_tells_that_the_store_is_down(api_without_store: str) -> None:
    response = httpx.get(f"{api_without_store}/readyz")

    assert response.status_code == 503
    assert "does not answer" in response.json()["checks"]["store"]
    assert httpx.get(f"{api_without_store}/healthz").status_code == 200
