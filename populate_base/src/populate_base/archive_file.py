"""Names of the public archive's files: which one holds which range.

Source: github.com/binance/binance-public-data, README and `python/enums.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

from market.gaps import Range
from market.interval import Interval
from market.store.klines import Source

#: The archive has no daily files of these: their klines may reach over a day's end.
_WITHOUT_DAILY = frozenset({Interval.D3, Interval.W1, Interval.MO1})


class Period(StrEnum):
    """How much one file of the archive holds."""

    MONTHLY = "monthly"
    DAILY = "daily"

    @property
    def grid(self) -> Interval:
        """The interval whose slots are the files' ranges (UTC)."""
        return Interval.MO1 if self is Period.MONTHLY else Interval.D1

    @property
    def source(self) -> Source:
        """The provenance of a row from such a file."""
        return Source.ARCHIVE_MONTHLY if self is Period.MONTHLY else Source.ARCHIVE_DAILY

    def offers(self, interval: Interval) -> bool:
        """Tell whether the archive publishes such files for an interval."""
        return self is Period.MONTHLY or interval not in _WITHOUT_DAILY


class ArchiveFile(NamedTuple):
    """One zip of the archive: the klines of a series that open in one month or day."""

    symbol: str
    interval: Interval
    period: Period
    start_ms: int

    @property
    def span(self) -> Range:
        """The half-open range of open times the file is for."""
        return Range(self.start_ms, self.period.grid.add(self.start_ms, 1))

    @property
    def name(self) -> str:
        """The zip's name: `BTCUSDT-1m-2021-01.zip`, `BTCUSDT-1m-2021-01-31.zip`."""
        day = datetime.fromtimestamp(self.start_ms // 1000, UTC)
        date = f"{day:%Y-%m}" if self.period is Period.MONTHLY else f"{day:%Y-%m-%d}"
        return f"{self.symbol}-{_archive_name(self.interval)}-{date}.zip"

    @property
    def path(self) -> str:
        """The zip's place below the archive's address."""
        folder = f"data/spot/{self.period}/klines/{self.symbol}/{_archive_name(self.interval)}"
        return f"{folder}/{self.name}"

    @property
    def slots(self) -> int:
        """The number of klines a complete file holds."""
        return self.interval.count(*self.span)


def _archive_name(interval: Interval) -> str:
    # File systems that ignore case would mix up 1m and 1M.
    return "1mo" if interval is Interval.MO1 else interval.value
