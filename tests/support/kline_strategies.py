"""Hypothesis strategies for klines as Binance writes them, the extreme ones too."""

from __future__ import annotations

from hypothesis import strategies as st

from market.interval import HOUR_MS, Interval
from market.kline import AMOUNT_DIGITS, PRICE_DIGITS, Kline
from support.klines import START_MS


def decimals(digits: int) -> st.SearchStrategy[str]:
    """Numbers of at most `digits` digits before the point and exactly eight after it."""
    tiny = st.integers(0, 1000)
    units = st.one_of(tiny, st.integers(0, 10 ** (digits + 8) - 1))
    return units.map(lambda unit: f"{unit // 10**8}.{unit % 10**8:08d}")


@st.composite
def klines(draw: st.DrawFn, slots: int = 40) -> Kline:
    """A kline of one of the first `slots` hours of 2024, sometimes off the grid."""
    price, amount = decimals(PRICE_DIGITS), decimals(AMOUNT_DIGITS)
    off_ms = draw(st.sampled_from([0, 0, 0, 1, 1_234, HOUR_MS - 1]))
    open_ms = START_MS + draw(st.integers(0, slots - 1)) * HOUR_MS + off_ms
    close_ms = draw(st.sampled_from([Interval.H1.close_of(open_ms), open_ms + 5]))
    return Kline(
        open_ms,
        draw(price),
        draw(price),
        draw(price),
        draw(price),
        draw(amount),
        close_ms,
        draw(amount),
        draw(st.integers(0, 10**15)),
        draw(amount),
        draw(amount),
        draw(st.sampled_from(["0", "", "7"])),
    )
