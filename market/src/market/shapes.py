"""The other shapes that services exchange over HTTP."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from market.errors import InvalidParameter
from market.forecast import Shape
from market.gaps import Cause

JobState = Literal["queued", "running", "done", "failed", "cancelled"]


class ErrorBody(Shape):
    """Every error of a native API."""

    error: str
    detail: str
    hint: str = ""


class GapShape(Shape):
    """A half-open range of missing open times."""

    start_ms: int
    end_ms: int
    cause: Cause


class KlinePage(Shape):
    """The answer of `GET /v1/klines`: rows ascending, times in ms, decimals as strings.

    `completeness` is the fraction of the range's slots that hold a kline, `complete`
    whether no slot misses one, `next` the cursor of the page after this one.
    """

    symbol: str
    interval: str
    fields: list[str]
    klines: list[list[int | str]]
    complete: bool
    completeness: float
    gaps: list[GapShape]
    next: str | None = None


class SeriesShape(Shape):
    """What is stored of one symbol at one interval.

    `lag_ms` is the exchange's time less the newest stored close.
    """

    interval: str
    count: int
    first_open_ms: int
    last_open_ms: int
    watermark_ms: int | None
    lag_ms: int


class SymbolShape(Shape):
    """One symbol the installation knows, and its life as far as that is known.

    `status` is the exchange's since `since_ms`, or `GONE` for what it lists no more. `listed_ms`
    is the open time of its first kline ever, `delisted_ms` the end of its last one; `successor`
    is the symbol it goes on as, `renamed_from` those that go on as it. `followed` tells whether
    its klines are stored here. At a past `as_of` nothing is told that came later.
    """

    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    series: list[SeriesShape]
    since_ms: int | None = None
    listed_ms: int | None = None
    delisted_ms: int | None = None
    successor: str | None = None
    renamed_from: list[str] = []
    followed: bool = True


class SymbolPage(Shape):
    """The answer of `GET /v1/symbols`, by name; `as_of_ms` where a past universe was asked for."""

    symbols: list[SymbolShape]
    as_of_ms: int | None = None
    next: str | None = None


class ChampionShape(Shape):
    """The artefact that serves a series, since when (exchange time), and why it does."""

    symbol: str
    interval: str
    model: str
    version: str
    since_ms: int
    reason: str


class ChampionPage(Shape):
    """The answer of `GET /v1/champions`: the present champion first."""

    champions: list[ChampionShape]


class StatusShape(Shape):
    """The answer of `GET /v1/status`: the installation in a glance.

    `now_ms` is the exchange's time and `rate` its seconds a second; `demo_ended` tells that
    the recorded data have been played to their end.
    """

    demo: bool
    demo_ended: bool
    now_ms: int
    rate: float
    version: str


class JobStep(Shape):
    """One unit of a job's work that ended, and how."""

    name: str
    detail: str


class Job(Shape):
    """A long piece of work. `progress` is a fraction, times are the exchange's."""

    id: str
    kind: str
    state: JobState
    request: dict[str, Any]
    progress: float = Field(ge=0, le=1)
    steps: list[JobStep]
    error: str | None
    created_ms: int
    changed_ms: int


class JobPage(Shape):
    """The answer of `GET /v1/jobs`, newest first."""

    jobs: list[Job]


class JobAccepted(Shape):
    """The 202 answer to a request for a job."""

    id: str
    url: str


def resolve_symbol(symbol: str | None, currency: str | None, compare: str | None) -> str:
    """Return the symbol a request names: directly, or as `currency` + `compare`.

    Raises:
        InvalidParameter: neither form is given whole, or both are.
    """
    if symbol is not None and currency is None and compare is None:
        return symbol.upper()
    if symbol is None and currency is not None and compare is not None:
        return (currency + compare).upper()
    raise InvalidParameter(
        "symbol",
        {"symbol": symbol, "currency": currency, "compare": compare},
        "either `symbol` (BTCUSDT) or both `currency` and `compare` (BTC and USDT)",
    )
