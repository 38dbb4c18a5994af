"""How many gaps are open, by cause, for `/metrics`."""

from __future__ import annotations

import threading
from collections import Counter

from market.errors import RetryableError
from market.gaps import Cause
from market.store import Store
from market.store.gap_ledger import read_open_gaps
from populate_base import metrics

_EVERY_S = 60.0


class GapGauge:
    """Reads the ledger every minute, so that a scrape costs no query."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run(self, stop: threading.Event) -> None:
        """Show the numbers until `stop` is set; a store that is away leaves the last ones."""
        while True:
            try:
                with self._store.read() as connection:
                    ledger = read_open_gaps(connection)
                counts = Counter(gap.cause for gaps in ledger.values() for gap in gaps)
                for cause in Cause:
                    metrics.GAPS.labels(cause.value).set(counts[cause])
            except RetryableError:
                pass
            if stop.wait(_EVERY_S):
                return
