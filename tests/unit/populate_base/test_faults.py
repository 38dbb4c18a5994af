"""What Binance's error answers mean."""

from __future__ import annotations

import pytest

from market.errors import (
    DataError,
    ExchangeRefused,
    ExchangeUnavailable,
    KlinecastError,
    NotFound,
    RateLimited,
)
from populate_base.faults import Blocked, read_fault

NOW_MS = 1_660_090_000_000
BANNED = (
    "Way too much request weight used; IP banned until 1660090423228."
    " Please use the websocket for live updates to avoid bans."
)


def test_retry_after_is_honoured_in_any_case() -> None:
    error = read_fault(429, -1003, "Too many requests.", {"retry-after": "17"}, NOW_MS)

    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 17


def test_a_ban_lasts_as_long_as_the_message_says() -> None:
    error = read_fault(418, -1003, BANNED, {}, NOW_MS)

    assert isinstance(error, RateLimited)
    assert error.retry_after_s == pytest.approx(423.228)


def test_a_limit_without_a_time_waits_for_the_window() -> None:
    error = read_fault(400, -1003, "Too many requests; current request has limited.", {}, NOW_MS)

    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 60


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, 0, Blocked),
        (500, 0, ExchangeUnavailable),
        (502, 0, ExchangeUnavailable),
        (400, -1008, ExchangeUnavailable),
        (400, -1021, ExchangeUnavailable),
        (451, 0, ExchangeRefused),
        (400, -1121, NotFound),
        (400, -1100, DataError),
    ],
)
def test_each_fault_has_its_error(status: int, code: int, kind: type[KlinecastError]) -> None:
    error = read_fault(status, code, "as recorded", {}, NOW_MS)

    assert type(error) is kind
