"""A process that asks for pages as fast as the weight budget lets it: `python -m ...`.

Arguments: store URL, REST URL, seconds to go on after the turn of a minute. Prints one JSON
object: requests made, and the most weight that the exchange counted in a minute.
"""

from __future__ import annotations

import json
import sys
import time

from market.clock import ExchangeClock
from market.errors import RateLimited
from market.interval import Interval
from market.store import open_store
from market.wire_clock import MINUTE_MS, WireClock
from populate_base.exchange import Exchange
from populate_base.weight import WeightBudget

_MINUTE_S = MINUTE_MS // 1000


def main(store_url: str, rest_url: str, seconds: float) -> None:
    """Ask until `seconds` after the next turn of the machine's minute."""
    most = requests = 0

    def sleep(wait_s: float) -> None:
        if time.time() + wait_s > until_s:
            raise RateLimited("the trial is over", retry_after_s=1e6)
        time.sleep(wait_s)

    until_s = (time.time() // _MINUTE_S + 1) * _MINUTE_S + seconds
    store = open_store(store_url)
    budget = WeightBudget(store, WireClock(), sleep=sleep)
    exchange = Exchange([rest_url], ExchangeClock(), budget, attempts=1)
    try:
        while time.time() < until_s:
            exchange.fetch_first_open("BTCUSDT", Interval.H1)
            requests += 1
            heard = exchange._client.heard
            if heard is not None:
                most = max(most, int(heard.headers["x-mbx-used-weight-1m"]))
    except RateLimited as error:
        if error.retry_after_s != 1e6:
            raise
    print(json.dumps({"requests": requests, "most": most}))  # noqa: T201  its result


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
