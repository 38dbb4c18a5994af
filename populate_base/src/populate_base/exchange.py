"""The one seam to Binance's REST API: python-binance's calls under our paging and manners."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import stamina
from binance.client import Client
from binance.exceptions import BinanceAPIException, BinanceRequestException

from market.clock import ExchangeClock, Reading
from market.errors import ExchangeUnavailable, KlinecastError, NotFound, RateLimited
from market.gaps import Range
from market.interval import Interval
from market.kline import Kline
from market.store.symbols import Symbol
from populate_base import metrics
from populate_base.faults import read_fault
from populate_base.parse import check_klines, parse_rest_row, parse_symbol
from populate_base.plan import PAGE_KLINES
from populate_base.weight import WeightBudget

_TIMEOUT_S = 8.0
#: A longer wait than a window of the weight limit is a ban: the caller is told at once.
_LONGEST_WAIT_S = 65.0
_FIRST_WAIT_S = 0.2
_HINT = (
    "Check the network and KLINECAST_BINANCE_REST_URL; `sh setup.sh --demo` runs the platform"
    " on recorded klines."
)
_Answer = TypeVar("_Answer")


class Exchange:
    """Binance's REST API without a key. Safe to share between threads, one call at a time.

    Raises, from every `fetch_`: ExchangeUnavailable after the retries, RateLimited when the
    wait asked for is a ban, ExchangeRefused, NotFound (unknown symbol), DataError.
    """

    def __init__(self, rest_url: str, clock: ExchangeClock, *, attempts: int = 5) -> None:
        self.rest_url = rest_url.rstrip("/")
        self.weight = WeightBudget()
        self._clock = clock
        self._attempts = attempts
        self._lock = threading.Lock()
        self._client = _keyless_client(self.rest_url)

    def close(self) -> None:
        """Close the connections."""
        self._client.session.close()

    def fetch_time_ms(self) -> int:
        """Return the exchange's time and set the clock by it."""

        def fetch() -> int:
            return int(self._client.get_server_time()["serverTime"])

        before_s = time.monotonic()
        now_ms = self._call(fetch)
        self._clock.record(Reading(now_ms, (before_s + time.monotonic()) / 2))
        return now_ms

    def fetch_symbols(self, names: Sequence[str]) -> list[Symbol]:
        """Return what exchangeInfo says of those symbols, in their order.

        Raises:
            NotFound: Binance knows one of them not; all such are named.
        """
        answer = self._call(self._client.get_exchange_info)
        self.weight.read_limit(answer.get("rateLimits", ()))
        entries = {entry.get("symbol"): entry for entry in answer.get("symbols", ())}
        unknown = [name for name in names if name not in entries]
        if unknown:
            listed = ", ".join(map(repr, unknown))
            raise NotFound(
                f"Binance does not know the symbol{'s' if unknown[1:] else ''} {listed}",
                hint="Symbols are written as in BTCUSDT: base and quote asset together.",
            )
        return [parse_symbol(entries[name]) for name in names]

    def fetch_first_open(self, symbol: str, interval: Interval) -> int | None:
        """Return the open time of the first kline ever, `None` where there is none yet."""
        rows = self._fetch_rows(symbol, interval, Range(0, self._clock.now_ms()), limit=1)
        return rows[0].open_time_ms if rows else None

    def iter_klines(
        self, symbol: str, interval: Interval, span: Range
    ) -> Iterator[tuple[str, list[Kline]]]:
        """Yield (url, klines) pages of those opening in the span, ascending.

        Ends at an empty page or at the span's end; a short page alone ends nothing.
        """
        start_ms = span.start_ms
        while start_ms < span.end_ms:
            rest = Range(start_ms, span.end_ms)
            klines = self._fetch_rows(symbol, interval, rest, limit=PAGE_KLINES)
            if not klines:
                return
            yield self.klines_url(symbol, interval, rest), klines
            # Off-grid klines open within a slot: the next one is asked for by its grid time.
            start_ms = interval.add(interval.floor(klines[-1].open_time_ms), 1)

    def klines_url(self, symbol: str, interval: Interval, span: Range) -> str:
        """Return the address of a page, as the provenance of its rows."""
        query = f"symbol={symbol}&interval={interval}&startTime={span.start_ms}"
        return f"{self.rest_url}/api/v3/klines?{query}&endTime={span.end_ms - 1}"

    def _fetch_rows(
        self, symbol: str, interval: Interval, span: Range, *, limit: int
    ) -> list[Kline]:
        # Binance's endTime is inclusive, our ranges are half-open.
        def fetch() -> list[list[Any]]:
            answer: list[list[Any]] = self._client.get_klines(
                symbol=symbol,
                interval=interval.value,
                startTime=span.start_ms,
                endTime=span.end_ms - 1,
                limit=limit,
            )
            return answer

        try:
            rows = self._call(fetch)
        except NotFound as error:
            raise NotFound(
                f"Binance does not know the symbol {symbol!r}", hint=error.hint
            ) from error
        return check_klines([parse_rest_row(row) for row in rows], span, f"{symbol} {interval}")

    def _call(self, fetch: Callable[[], _Answer]) -> _Answer:
        for attempt in stamina.retry_context(
            on=_wait_before_retry,
            attempts=self._attempts,
            timeout=180.0,
            wait_initial=_FIRST_WAIT_S,
        ):
            with attempt:
                pause_s = self.weight.pause_s(self._clock.now_ms(), self._clock.rate)
                if pause_s > 0:
                    time.sleep(pause_s)
                with self._lock:
                    return self._ask(fetch)
        raise AssertionError("the last attempt returns or raises")

    def _ask(self, fetch: Callable[[], _Answer]) -> _Answer:
        try:
            answer = fetch()
        except BinanceAPIException as error:
            metrics.REQUESTS.labels("rest", str(error.status_code)).inc()
            raise self._translate(error) from error
        except BinanceRequestException as error:
            metrics.REQUESTS.labels("rest", "unreadable").inc()
            raise ExchangeUnavailable(f"{self.rest_url} sent no JSON: {error}") from error
        except OSError as error:
            metrics.REQUESTS.labels("rest", "unreachable").inc()
            raise ExchangeUnavailable(
                f"Binance at {self.rest_url} cannot be reached ({type(error).__name__})", hint=_HINT
            ) from error
        metrics.REQUESTS.labels("rest", "200").inc()
        self.weight.read_used(self._client.response.headers)
        return answer

    def _translate(self, error: Any) -> KlinecastError:
        headers = error.response.headers
        self.weight.read_used(headers)
        code = error.code if isinstance(error.code, int) else 0
        message = str(error.message)
        return read_fault(error.status_code, code, message, headers, self._clock.now_ms())


def _wait_before_retry(error: Exception) -> bool | float:
    if isinstance(error, RateLimited):
        return error.retry_after_s if error.retry_after_s <= _LONGEST_WAIT_S else False
    return isinstance(error, ExchangeUnavailable)


def _keyless_client(rest_url: str) -> Any:
    # The constructor wants an event loop for stream clients that are never used here, and
    # from Python 3.12 on warns where a thread has none.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        client = Client(ping=False, requests_params={"timeout": _TIMEOUT_S})
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    client.API_URL = f"{rest_url}/api"
    return client
