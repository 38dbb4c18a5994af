"""The one seam to Binance's REST API: python-binance's calls under our paging and manners."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import stamina

from market.clock import ExchangeClock, Reading
from market.errors import (
    DataError,
    ExchangeRefused,
    ExchangeUnavailable,
    KlinecastError,
    NotFound,
    RateLimited,
    SettingsError,
)
from market.gaps import Range
from market.interval import Interval
from market.kline import Kline
from market.log import get_logger
from market.store.symbols import VENUE, Symbol
from populate_base.api_key import VARIABLE, ApiKey, account_host, check_permissions
from populate_base.faults import CLOCK_IS_OFF, is_bad_key, read_fault
from populate_base.hosts import HostList
from populate_base.parse import parse_symbol
from populate_base.plan import PAGE_KLINES
from populate_base.rest_client import Refusal, RestClient
from populate_base.rest_page import parse_page
from populate_base.weight import WeightBudget

log = get_logger()

#: A longer wait than a window of the weight limit is a ban: the caller is told at once.
_LONGEST_WAIT_S = 65.0
_FIRST_WAIT_S = 0.2
_TIME_WEIGHT, _KLINES_WEIGHT, _INFO_WEIGHT = 1, 2, 20
_Answer = TypeVar("_Answer")


class Exchange:
    """Binance's REST API, on any of several hosts. Safe to share between threads.

    Raises, from every `fetch_`: ExchangeUnavailable after the retries, RateLimited when the
    wait asked for is a ban, ExchangeRefused when no host serves this place, NotFound
    (unknown symbol), DataError, StoreUnavailable (the weight can't be counted), SettingsError
    (a key that may do more than read).
    """

    def __init__(
        self,
        rest_urls: Sequence[str],
        clock: ExchangeClock,
        weight: WeightBudget,
        *,
        key: ApiKey | None = None,
        attempts: int = 5,
    ) -> None:
        self.weight = weight
        self._hosts = HostList(rest_urls)
        self._account_host = account_host(rest_urls)
        self.venue = VENUE
        self._clock = clock
        self._attempts = attempts
        self._client = RestClient(key)
        self._turns = threading.Lock()
        self._key_unchecked = key is not None
        self._key_lock = threading.Lock()
        self._clock_is_off = False

    @property
    def rest_url(self) -> str:
        """The host that would be asked now."""
        return self._hosts.rank(time.monotonic())[0]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def fetch_time_ms(self) -> int:
        """Return the exchange's time and set the clock by it."""
        return self._set_clock(self._call(_ask_time, _TIME_WEIGHT))

    def _set_clock(self, answer: Any) -> int:
        try:
            now_ms = int(answer["serverTime"])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"Binance told the time as {answer!r:.80}") from error
        heard = self._client.heard
        if heard is not None:
            # The request's middle, on the clock that the exchange's is measured by.
            half_s = (heard.received_s - heard.sent_s) / 2
            middle_s = time.monotonic() - (time.time() - heard.sent_s) + half_s
            self._clock.record(Reading(now_ms, middle_s, half_s))
        return now_ms

    def fetch_symbols(self) -> list[Symbol]:
        """Return what exchangeInfo says of every symbol."""
        entries = self.fetch_exchange_info().get("symbols")
        if not entries:  # believed, it would end every symbol there is
            raise DataError("Binance's exchangeInfo lists no symbol")
        return [parse_symbol(entry) for entry in entries]

    def fetch_exchange_info(self) -> dict[str, Any]:
        """Return exchangeInfo of every symbol, and take the weight limit from it."""
        answer = self._call(_ask_info, _INFO_WEIGHT)
        if not isinstance(answer, dict):
            raise DataError(f"Binance's exchangeInfo was {answer!r:.80}")
        self.weight.read_limit(answer.get("rateLimits", ()))
        return answer

    def fetch_first_open(self, symbol: str, interval: Interval) -> int | None:
        """Return the open time of the first kline ever, `None` where there is none yet."""
        span = Range(0, self._clock.now_ms())
        _url, rows = self._fetch_page(symbol, interval, span, limit=1)
        return rows[0].open_time_ms if rows else None

    def iter_klines(
        self, symbol: str, interval: Interval, span: Range, *, page: int = PAGE_KLINES
    ) -> Iterator[tuple[str, list[Kline]]]:
        """Yield (url, klines) pages of those opening in the span, ascending.

        Ends at an empty page or at the span's end; a short page alone ends nothing. `page`
        is the most klines of one, 1 to 1000.
        """
        start_ms = span.start_ms
        while start_ms < span.end_ms:
            rest = Range(start_ms, span.end_ms)
            url, klines = self._fetch_page(symbol, interval, rest, limit=page)
            if not klines:
                return
            yield url, klines
            # Not a grid step: off-grid klines may open anywhere.
            start_ms = klines[-1].open_time_ms + 1

    def _fetch_page(
        self, symbol: str, interval: Interval, span: Range, *, limit: int
    ) -> tuple[str, list[Kline]]:
        # Binance's endTime is inclusive, our ranges are half-open.
        def fetch(client: Any) -> tuple[str, Any]:
            rows = client.get_klines(
                symbol=symbol,
                interval=interval.value,
                startTime=span.start_ms,
                endTime=span.end_ms - 1,
                limit=limit,
            )
            return client.API_URL, rows

        try:
            api_url, rows = self._call(fetch, _KLINES_WEIGHT)
        except NotFound as error:
            raise NotFound(
                f"Binance does not know the symbol {symbol!r}", hint=error.hint
            ) from error
        query = f"symbol={symbol}&interval={interval}&startTime={span.start_ms}"
        url = f"{api_url}/v3/klines?{query}&endTime={span.end_ms - 1}"
        return url, parse_page(rows, span, f"{symbol} {interval}")

    def _call(self, fetch: Callable[[Any], _Answer], weight: int) -> _Answer:
        for attempt in stamina.retry_context(
            on=_wait_before_retry,
            attempts=self._attempts,
            timeout=180.0,
            wait_initial=_FIRST_WAIT_S,
        ):
            with attempt:
                self._check_key()
                if self._clock_is_off:
                    self._set_clock(self._ask_hosts(_ask_time, _TIME_WEIGHT))
                    self._clock_is_off = False
                return self._ask_hosts(fetch, weight)
        raise AssertionError("the last attempt returns or raises")

    def _ask_hosts(self, fetch: Callable[[Any], _Answer], weight: int) -> _Answer:
        """Ask one host after the other until one answers."""
        problems: list[KlinecastError] = []
        for host in self._hosts.rank(time.monotonic()):
            try:
                answer = self._ask(host, fetch, weight)
            except RateLimited:
                raise  # of this address: another host would say the same, and count it
            except (ExchangeUnavailable, ExchangeRefused) as error:
                self._hosts.blame(host, time.monotonic())
                log.warning("host_left_out", host=host, detail=error.detail)
                problems.append(error)
            else:
                self._hosts.praise(host)
                return answer
        passing = [one for one in problems if isinstance(one, ExchangeUnavailable)]
        # A firewall's refusal may pass; that of a place does not.
        raise passing[-1] if passing else problems[-1]

    def _ask(self, host: str, fetch: Callable[[Any], _Answer], weight: int) -> _Answer:
        with self._turn(weight):
            return self._client.ask(host, fetch)

    @contextmanager
    def _turn(self, weight: int) -> Iterator[None]:
        """Take weight for the one request sent in the block, and take in what its answer says.

        One at a time, all of it: who waits here must hear of a ban before it sends.
        """
        refusal: Refusal | None = None
        with self._turns:
            self.weight.acquire(weight)
            try:
                yield
            except Refusal as error:
                refusal = error
            finally:
                # First the answer's clock: a ban is told by it.
                if self._client.heard is not None:
                    self.weight.hear(*self._client.heard)
            if refusal is not None:
                raise self._meaning(refusal) from None

    def _meaning(self, refusal: Refusal) -> KlinecastError:
        heard = self._client.heard
        headers = {} if heard is None else heard.headers
        now_ms = self.weight.clock.now_ms()
        error = read_fault(refusal.status, refusal.code, refusal.message, headers, now_ms)
        if isinstance(error, RateLimited):
            self.weight.stop_until(error.retry_after_s)
        self._clock_is_off |= refusal.code == CLOCK_IS_OFF
        return error

    def _check_key(self) -> None:
        with self._key_lock:
            if not self._key_unchecked:
                return
            # Signed requests carry the time, and Binance refuses one that is off.
            now_ms = self._set_clock(self._ask(self._account_host, _ask_time, _TIME_WEIGHT))
            offset_ms = now_ms - time.time_ns() // 1_000_000
            with self._turn(_TIME_WEIGHT):
                found = self._fetch_permissions(offset_ms)
            check_permissions(found)
            self._key_unchecked = False

    def _fetch_permissions(self, offset_ms: int) -> Mapping[str, Any]:
        try:
            return self._client.fetch_permissions(self._account_host, offset_ms)
        except Refusal as refusal:
            if refusal.code == CLOCK_IS_OFF:
                raise ExchangeUnavailable("Binance refused a signed request's time") from None
            if is_bad_key(refusal.status, refusal.code):
                what = f"a key that Binance knows (it said: {refusal.message[:120]})"
                raise SettingsError(VARIABLE, "(hidden)", what) from None
            raise


def _ask_info(client: Any) -> Any:
    return client.get_exchange_info()


def _ask_time(client: Any) -> Any:
    return client.get_server_time()


def _wait_before_retry(error: Exception) -> bool | float:
    if isinstance(error, RateLimited):
        # The budget itself waits until the time is over.
        return 0.0 if error.retry_after_s <= _LONGEST_WAIT_S else False
    return isinstance(error, ExchangeUnavailable)
