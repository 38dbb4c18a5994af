"""Numbers in the words of `status`, and the pauses of the supervisor."""

from __future__ import annotations

import pytest

from operations.status import show_duration, show_time
from operations.supervisor import restart_wait_s


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        (-5, "0 s"),
        (999, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min 0 s"),
        (3_723_000, "1 h 2 min"),
        (86_400_000, "1 d 0 h"),
        (200_000_000, "2 d 7 h"),
    ],
)
def test_duration_is_shown_in_two_units(milliseconds: int, expected: str) -> None:
    assert show_duration(milliseconds) == expected


def test_time_is_shown_as_utc() -> None:
    assert show_time(1_718_668_800_000) == "2024-06-18 00:00Z"


def test_pauses_double_up_to_a_limit() -> None:
    waits = [restart_wait_s(failures) for failures in range(1, 12)]

    assert waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert waits == sorted(waits)
    assert waits[-1] == 30.0
