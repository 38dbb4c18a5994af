"""Bad input to what the API works out gets one clear error, and nothing else."""

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
FAR = "9" * 400


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API over a few hours, and a minute that is ages away from another."""
    store = new_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
    add_series(store, "BTCUSDT", Interval.H1, make_klines(Interval.H1, 5))
    far = make_klines(Interval.M1, 1, start_ms=START_MS - 10 * 365 * 86_400_000)
    add_series(store, "FARUSDT", Interval.M1, [*far, *make_klines(Interval.M1, 1)])
    with history_api(store, START_MS + 10**9) as url:
        yield url


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("resample", 422, "interval was not given"),
        ("resample?interval=2h", 422, "either `symbol`"),
        ("resample?symbol=NONE&interval=2h", 404, "symbol 'NONE' is not known here"),
        ("resample?symbol=BTCUSDT&interval=7x", 422, "interval was '7x'; expected a whole number"),
        ("resample?symbol=BTCUSDT&interval=0m", 422, "interval was '0m'"),
        ("resample?symbol=BTCUSDT&interval=13M", 422, "interval was '13M'"),
        (f"resample?symbol=BTCUSDT&interval={FAR}m", 422, "interval was '9999"),
        ("resample?symbol=BTCUSDT&interval=45m", 404, "nothing is stored of BTCUSDT that klines"),
        ("resample?symbol=BTCUSDT&interval=1h", 404, "nothing is stored of BTCUSDT that klines"),
        ("resample?symbol=BTCUSDT&interval=2h&source=2h", 422, "source was '2h'; expected"),
        ("resample?symbol=BTCUSDT&interval=2h&source=30m", 404, "nothing is stored"),
        ("resample?symbol=BTCUSDT&interval=2h&source=x", 422, "interval was 'x'"),
        ("resample?symbol=BTCUSDT&interval=2h&timeZone=UTC", 422, "timeZone was 'UTC'"),
        ("resample?symbol=BTCUSDT&interval=2h&timeZone=15", 422, "timeZone was '15'"),
        ("resample?symbol=BTCUSDT&interval=1d&timeZone=5:30", 404, "nothing is stored"),
        ("resample?symbol=BTCUSDT&interval=2h&start=yesterday", 422, "start was 'yesterday'"),
        ("resample?symbol=BTCUSDT&interval=2h&start=9&end=8", 422, "end was 8; expected a time"),
        ("resample?symbol=BTCUSDT&interval=2h&limit=0", 422, "limit was '0'; expected an integer"),
        ("resample?symbol=BTCUSDT&interval=2h&limit=10001", 422, "limit was '10001'"),
        ("resample?symbol=BTCUSDT&interval=2h&cursor=zzz", 422, "cursor was 'zzz'"),
        ("resample?symbol=BTCUSDT&interval=2h&anchor=3", 422, "parameter was 'anchor'"),
        (f"stats?{BTC}&period=2d", 422, "period was '2d'; expected one of 1h 2h"),
        (f"stats?{BTC}&period=1m", 422, "period was '1m'"),
        ("stats?symbol=BTCUSDT&interval=1d&period=1h", 422, "period was '1h'; expected one that"),
        ("stats?symbol=BTCUSDT&interval=3d&period=1w", 422, "period was '1w'"),
        ("stats?symbol=BTCUSDT&interval=1d", 404, "nothing of BTCUSDT 1d is stored"),
        ("stats?symbol=NONE&interval=1d", 404, "symbol 'NONE' is not known here"),
        ("stats?symbol=FARUSDT&interval=1m&period=all", 422, "at most 2,000,000 klines"),
        (f"stats?{BTC}&limit=x", 422, "limit was 'x'"),
        (f"stats?{BTC}&start={FAR}", 422, "start was '9999"),
        (f"stats?{BTC}&start=9&end=8", 422, "end was 8"),
        (f"stats?{BTC}&cursor=%00", 422, "cursor was '\\x00'"),
        ("coverage?symbol=NONE", 404, "symbol 'NONE' is not known here"),
        ("coverage?symbol=BTCUSDT,,FARUSDT", 422, "symbol was 'BTCUSDT,,FARUSDT'; expected 1 to"),
        (f"coverage?symbol={'A,' * 3000}", 422, "symbol was 'A,A,"),
        ("coverage?interval=7m", 422, "interval was '7m'"),
        ("coverage?by=year", 422, "by was 'year'; expected 'series' or 'month'"),
        ("coverage?limit=-1", 422, "limit was '-1'"),
        ("coverage?cursor=zzz", 422, "cursor was 'zzz'; expected the value of `next`"),
        ("coverage?start=3", 422, "parameter was 'start'"),
        ("gaps?symbol=NONE", 404, "symbol 'NONE' is not known here"),
        ("gaps?cause=rain", 422, "cause was 'rain'; expected 'not_listed', 'outage'"),
        ("gaps?resolved=maybe", 422, "resolved was 'maybe'; expected 'false', 'true' or 'any'"),
        ("gaps?start=9&end=8", 422, "end was 8"),
        ("gaps?limit=10001", 422, "limit was '10001'"),
        ("gaps?cursor=MS4x", 422, "cursor was 'MS4x'"),
        ("symbols?quote=", 422, "quote was ''"),
        (f"symbols?text={'x' * 65}", 422, "text was 'xxx"),
        ("symbols?as_of=2024-01-01T00:00:00", 422, "as_of was '2024-01-01T00:00:00'"),
        ("symbols?scope=everything", 422, "scope was 'everything'; expected 'followed' or"),
        ("symbols?interval=7m", 422, "interval was '7m'"),
        ("symbols?limit=0", 422, "limit was '0'"),
        ("symbols?cursor=\u20ac", 422, "cursor was '\u20ac'"),
        ("symbols?base=BTC&base=ETH", 422, "base was ['BTC', 'ETH']; expected one value"),
        (f"forecasts?{BTC}&start=9&end=8", 422, "end was 8"),
        (f"forecasts?{BTC}&model=", 422, "model was ''"),
        (f"forecasts?{BTC}&model=ridge&start=5", 404, "by ridge from a cutoff in that range"),
        ("scores?step=51", 422, "step was '51'; expected an integer from 1 to 50"),
        ("scores?versions=old", 422, "versions was 'old'; expected 'newest' or 'all'"),
        ("scores?start=9&end=8", 422, "end was 8"),
    ],
)
def test_wrong_request_gets_one_error(api: str, path: str, status: int, detail: str) -> None:
    response = httpx.get(f"{api}/v1/{path}")

    body = ErrorBody.model_validate_json(response.content)
    assert (response.status_code, body.detail[: len(detail) + 200].find(detail) >= 0) == (
        status,
        True,
    ), response.text


@pytest.mark.parametrize(
    "path",
    ["resample?symbol=BTCUSDT&interval=1h", f"stats?{BTC}", "coverage", "gaps", "stream?symbol=A"],
)
def test_store_that_is_down_is_named(path: str) -> None:
    url = f"mysql://market:secret@127.0.0.1:{free_port()}/market"
    with history_api(open_store(url), START_MS) as api:
        response = httpx.get(f"{api}/v1/{path}")

    body = ErrorBody.model_validate_json(response.content)
    assert (response.status_code, body.error) == (503, "StoreUnavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert "secret" not in response.text
