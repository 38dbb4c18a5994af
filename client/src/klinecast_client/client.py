"""The client: one object per installation, its answers as DataFrames or plain columns."""

from __future__ import annotations

from types import TracebackType

from klinecast_client.arrow import HAS_ARROW
from klinecast_client.catalogue_calls import CatalogueCalls
from klinecast_client.forecast_calls import ForecastCalls
from klinecast_client.kline_calls import KlineCalls
from klinecast_client.transport import Transport


class Client(KlineCalls, CatalogueCalls, ForecastCalls):
    """Reads an installation's history and forecasts. Safe to share between threads.

    Every call may raise `NotFound` (unknown symbol), `InvalidParameter`, `Unauthorized`,
    `Forbidden`, or, after `attempts` tries, `ServiceUnavailable` and `TooManyRequests`, all
    from `market.errors`.
    """

    def __init__(
        self,
        base_url: str = "http://127.0.0.1:8000",
        token: str | None = None,
        *,
        timeout_s: float = 30.0,
        attempts: int = 5,
        arrow: bool = HAS_ARROW,
    ) -> None:
        """Open nothing yet: the first call connects.

        Args:
            token: where the installation asks for one.
            arrow: whether ranges of klines travel as Arrow, for which pyarrow is needed,
                and not as pages of JSON.
        """
        self._http = Transport(base_url, token, timeout_s=timeout_s, attempts=attempts)
        self._arrow = arrow

    def close(self) -> None:
        """Close the pooled connections."""
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
