"""The spool: what was appended is read back, whatever happened to its end."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.errors import DataError
from market.interval import Interval
from populate_base.spool import Spool, Spooled
from populate_base.stream import ClosedKline
from support.klines import make_klines

HOURS = make_klines(Interval.H1, 9)
CLOSED = [ClosedKline("BTCUSDT", Interval.H1, kline) for kline in HOURS]
FRAMES = [Spooled(100 + number, CLOSED[number : number + 3]) for number in (0, 3, 6)]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    """An empty spool of a megabyte."""
    return Spool(tmp_path / "deep" / "0.spool", 1_000_000)


def fill(spool: Spool) -> None:
    for frame in FRAMES:
        assert spool.append(*frame)


def test_an_empty_spool_is_no_file(spool: Spool) -> None:
    assert list(spool.read()) == []
    assert spool.size == 0
    assert not spool.path.exists()


def test_what_was_appended_is_read_back_in_order(spool: Spool) -> None:
    fill(spool)

    assert list(Spool(spool.path, 0).read()) == FRAMES
    spool.clear()
    assert list(spool.read()) == []


@settings(max_examples=60, deadline=None)
@given(kept=st.integers(0, 2_000), junk=st.binary(max_size=20))
def test_a_torn_end_loses_only_itself(
    tmp_path_factory: pytest.TempPathFactory, kept: int, junk: bytes
) -> None:
    spool = Spool(tmp_path_factory.mktemp("torn") / "0.spool", 1_000_000)
    ends = []
    for frame in FRAMES:
        spool.append(*frame)
        ends.append(spool.size)
    content = spool.path.read_bytes()

    spool.path.write_bytes(content[:kept] + (junk if kept < len(content) else b""))

    whole = sum(end <= kept for end in ends)
    read: list[Spooled] = []
    with suppress(DataError):  # junk may look like a damaged frame
        for frame in spool.read():
            read.append(frame)
    assert read[:whole] == FRAMES[:whole]
    assert len(read) == whole or content[kept:].startswith(junk)


def test_a_flipped_bit_is_noticed(spool: Spool) -> None:
    fill(spool)
    content = bytearray(spool.path.read_bytes())
    content[len(content) // 2] ^= 1
    spool.path.write_bytes(bytes(content))

    frames = spool.read()
    assert next(frames) == FRAMES[0]
    with pytest.raises(DataError, match="not as it was written"):
        next(frames)


def test_it_takes_no_more_than_it_may(tmp_path: Path) -> None:
    probe = Spool(tmp_path / "probe", 1_000_000)
    probe.append(*FRAMES[0])
    spool = Spool(tmp_path / "0.spool", 2 * probe.size)

    assert [spool.append(*frame) for frame in FRAMES] == [True, True, False]
    assert spool.size <= 2 * probe.size
    assert list(spool.read()) == FRAMES[:2]
    # What comes later would stand behind a hole: it has to wait too.
    assert not spool.append(100, CLOSED[:1])
    spool.clear()
    assert spool.append(*FRAMES[2])


def test_a_disk_that_refuses_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert not Spool(tmp_path / "file" / "0.spool", 1_000_000).append(*FRAMES[0])
