from __future__ import annotations

import pytest

from binance_simulator.bucket import parse_range
from binance_simulator.faults import Faults, corrupt
from market.errors import InvalidParameter


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("", None),
        ("bytes=0-9", (0, 10)),
        ("bytes=90-", (90, 100)),
        ("bytes=-10", (90, 100)),
        ("bytes=-1000", (0, 100)),
        ("bytes=95-1000", (95, 100)),
        ("bytes=9-3", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=1-2", None),
    ],
)
def test_parse_range_reads_what_s3_reads(header: str, part: tuple[int, int] | None) -> None:
    assert parse_range(header, 100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=500-600", "bytes=-0"])
def test_parse_range_refuses_what_lies_outside(header: str) -> None:
    with pytest.raises(ValueError, match="bytes="):
        parse_range(header, 100)


def test_faults_are_taken_in_order_for_their_path_and_count() -> None:
    faults = Faults()
    faults.add({"kind": "status", "status": 429, "count": 2, "path": "/api/v3/klines"})
    faults.add({"kind": "status", "status": 500})

    taken = [
        faults.take("status", path) for path in ("/api/v3/klines", "/data/x", "/api/v3/klines")
    ]

    assert [fault.status for fault in taken if fault is not None] == [429, 500, 429]
    assert faults.take("status", "/api/v3/klines") is None
    assert faults.waiting == []


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "explode"},
        {"kind": "status", "status": 200},
        {"kind": "status", "count": 0},
        {"kind": "status", "count": "2"},
        {"kind": "status", "path": "api"},
        {"kind": "status", "after": 3},
        {},
    ],
)
def test_faults_that_do_not_exist_are_refused(asked: dict[str, object]) -> None:
    faults = Faults()

    with pytest.raises(InvalidParameter):
        faults.add(asked)

    assert faults.waiting == []


def test_corrupt_changes_one_byte() -> None:
    content = bytes(range(50))

    changed = corrupt(content)

    assert len(changed) == 50
    assert sum(a != b for a, b in zip(content, changed, strict=True)) == 1
