"""What every route needs: the store, the exchange's clock, and whether this is the demo."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

from api_historic.klines.library import Library
from market.clock import ExchangeClock
from market.errors import ExchangeUnavailable, KlinecastError
from market.health import Readiness
from market.store import Store

if TYPE_CHECKING:
    from api_historic.segments import Segments

VERSION = version("klinecast-history")


@dataclass(frozen=True, slots=True)
class Service:
    """The parts one API process shares between its requests."""

    store: Store
    clock: ExchangeClock
    demo: bool
    segments: Segments | None = None
    streams: int = 8
    library: Library = field(init=False)

    def __post_init__(self) -> None:
        """Put the segments beside the store."""
        object.__setattr__(
            self, "library", Library(self.store, self.segments, streams=self.streams)
        )

    def now_ms(self) -> int:
        """Return the exchange's time; without a measurement, this machine's UTC time.

        Raises:
            ExchangeUnavailable: in the demo before its clock, which is not ours, was read.
        """
        if self.demo and not self.clock.is_measured:
            raise ExchangeUnavailable(
                "the demo's clock was not read yet",
                hint="Start the simulator, or correct KLINECAST_BINANCE_REST_URL.",
            )
        return self.clock.now_ms()

    def readiness(self) -> Readiness:
        """Return the checks of `/readyz`."""
        checks = {"store": self._check_store}
        if self.demo:
            checks["exchange_clock"] = self._check_clock
        return Readiness(checks)

    def _check_store(self) -> str | None:
        self.store.check_schema()
        return None

    def _check_clock(self) -> str | None:
        try:
            self.now_ms()
        except KlinecastError as error:
            return error.detail
        return None
