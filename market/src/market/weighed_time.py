"""Binance's time, asked within the installation's one weight budget.

For processes that ask nothing else of it: what they use is counted where the populator
counts, and while this address is told to wait they ask nothing.
"""

from __future__ import annotations

import math
import time

import httpx
import orjson

from market.errors import ExchangeUnavailable, RateLimited
from market.store.engine import Store
from market.store.request_weight import count_weight, write_ban
from market.store.symbols import VENUE
from market.wire_clock import WireClock

#: Of `GET /api/v3/time`. Source: binance-spot-api-docs, rest-api.
_WEIGHT = 1
#: Waits where the answer names none: the limit's window, and the shortest ban.
_WAITS_S = {429: 60.0, 418: 120.0}
#: So far may two readings of Binance's wall clock differ: they come in whole seconds.
_APART_MS = 1_000


class WeighedTime:
    """Asks for the exchange's time; of several hosts first the one that answered last.

    The connection is kept open, so that the round trip measured is not a handshake.
    """

    def __init__(self, store: Store, *base_urls: str, timeout_s: float = 5.0) -> None:
        self._store = store
        self._clock = WireClock()
        self._client = httpx.Client(timeout=timeout_s)
        self._urls = [f"{url.rstrip('/')}/api/v3/time" for url in base_urls]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def fetch_ms(self) -> int:
        """Return the exchange's time.

        Raises:
            ExchangeUnavailable: no host told it; RateLimited: this address is to wait.
            StoreUnavailable: what is asked can't be counted; nothing was asked.
            SettingsError: the store's user may not count.
        """
        for _ in self._urls[1:]:
            try:
                return self._ask(self._urls[0])
            except RateLimited:
                raise  # of this address: another host would say the same
            except ExchangeUnavailable:
                self._urls.append(self._urls.pop(0))
        return self._ask(self._urls[0])

    def _ask(self, url: str) -> int:
        self._count()
        sent_s = time.time()
        try:
            response = self._client.get(url)
            self._clock.read(response.headers, sent_s, time.time())
            if response.status_code in _WAITS_S:
                raise self._told_to_wait(response)
            return int(orjson.loads(response.raise_for_status().content)["serverTime"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise ExchangeUnavailable(
                f"{url} did not tell the time: {error or type(error).__name__}"
            ) from error

    def _count(self) -> None:
        now_ms = self._clock.now_ms()
        banned_ms = count_weight(self._store, VENUE, _WEIGHT, now_ms).banned_until_ms or 0
        if banned_ms > now_ms:
            wait_s = (banned_ms - now_ms) / 1000
            raise RateLimited(
                f"Binance told this address to wait for another {wait_s:.0f} s",
                retry_after_s=wait_s,
            )

    def _told_to_wait(self, response: httpx.Response) -> RateLimited:
        named = response.headers.get("Retry-After", "")
        wait_s = float(named) if named.isdigit() else _WAITS_S[response.status_code]
        now_ms = self._clock.now_ms()
        write_ban(self._store, VENUE, now_ms + math.ceil(wait_s * 1000) + _APART_MS, now_ms)
        return RateLimited(
            f"Binance asks to wait for {wait_s:.0f} s (HTTP {response.status_code})",
            retry_after_s=wait_s,
        )
