"""Faults of answers: what a request gets instead of, or with, what it asked for."""

from __future__ import annotations

from dataclasses import dataclass

from binance_simulator.faults.parameters import (
    moment,
    number,
    one_of,
    one_or_more,
    parameter,
    switch,
    text,
    whole,
)

#: What a key of Binance's may be allowed, by the names of `apiRestrictions`.
PERMISSIONS = (
    "enableReading", "enableSpotAndMarginTrading", "enableWithdrawals", "enableInternalTransfer",
    "enableMargin", "enableFutures", "permitsUniversalTransfer", "enableVanillaOptions",
    "enableFixApiTrade", "enableFixReadOnly", "enablePortfolioMarginTrading",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Status:
    """An error status in Binance's words; a stream's connection is refused."""

    status: int = parameter(whole(400, 599), 500)
    retry_after_s: int = parameter(whole(0, 1_000_000), 1)


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """429 for the address until the time is over; who goes on is banned."""

    retry_after_s: int = parameter(whole(1, 1_000_000), 30)


@dataclass(frozen=True, kw_only=True)
class Ban:
    """418 for the address until the time is over."""

    retry_after_s: int = parameter(whole(1, 1_000_000), 120)


@dataclass(frozen=True, kw_only=True)
class SlowBody:
    """The body comes at so many bytes a second."""

    bytes_per_s: int = parameter(whole(1, 1 << 40), 10_000)


@dataclass(frozen=True, kw_only=True)
class CutBody:
    """The connection ends after that share of the body its header promises."""

    keep: float = parameter(number(0, 0.999), 0.5)


@dataclass(frozen=True, kw_only=True)
class ClockSkew:
    """The exchange tells a time that is so many milliseconds off."""

    offset_ms: int = parameter(whole(-(10**12), 10**12), 5000)


@dataclass(frozen=True, kw_only=True)
class ApiKey:
    """A key `apiRestrictions` knows, and what it is allowed."""

    key: str = parameter(text)
    allow: tuple[str, ...] = parameter(one_or_more(one_of(*PERMISSIONS)), ("enableReading",))
    ip_restrict: bool = parameter(switch, False)
    created: int = parameter(moment, 1_577_836_800_000)
