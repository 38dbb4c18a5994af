"""Asking for the exchange's time: Binance's own, or the history API's copy of the call."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import orjson

from market.errors import ExchangeUnavailable


def time_fetcher(*base_urls: str, timeout_s: float = 5.0) -> Callable[[], int]:
    """Return a function that asks `GET {base_url}/api/v3/time`; it raises ExchangeUnavailable.

    Of several hosts the one that answered last is asked first. Its connection is kept
    open, so that the round trip measured is not a handshake.
    """
    client = httpx.Client(timeout=timeout_s)
    urls = [f"{url.rstrip('/')}/api/v3/time" for url in base_urls]

    def fetch_time_ms() -> int:
        for _ in urls[1:]:
            try:
                return _ask(client, urls[0])
            except ExchangeUnavailable:
                urls.append(urls.pop(0))
        return _ask(client, urls[0])

    return fetch_time_ms


def _ask(client: httpx.Client, url: str) -> int:
    try:
        response = client.get(url).raise_for_status()
        return int(orjson.loads(response.content)["serverTime"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise ExchangeUnavailable(
            f"{url} did not tell the time: {error or type(error).__name__}"
        ) from error
