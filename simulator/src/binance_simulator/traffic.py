"""What clients did: counted by minute, and held against what they had been told."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from typing import NamedTuple

from market.times import format_time

#: Minutes that are remembered one by one; the totals go on for ever.
_MINUTES = 240
#: Requests remembered one by one that should not have been sent.
_OFFENCES = 100
#: Addresses remembered as limited or banned.
_ADDRESSES = 1000
#: A request this soon after a refusal was already on its way.
GRACE_S = 0.25

COUNTERS = (
    "requests",
    "weight",
    "answered_429",
    "answered_418",
    "sent_while_limited",
    "sent_while_banned",
    "archive_requests",
    "archive_bytes",
    "stream_connections",
    "stream_connections_refused",
    "stream_messages_received",
)


class _Wait(NamedTuple):
    counter: str
    told_s: float
    until_s: float


class Traffic:
    """Counts requests. Time is the machine's, in seconds since 1970."""

    def __init__(self) -> None:
        self._minutes: OrderedDict[int, Counter[str]] = OrderedDict()
        self._totals: Counter[str] = Counter()
        self._waits: OrderedDict[str, _Wait] = OrderedDict()
        self._offences: deque[dict[str, object]] = deque(maxlen=_OFFENCES)

    def count(self, name: str, machine_s: float, amount: int = 1) -> None:
        """Count something that happened."""
        minute = int(machine_s) // 60
        if minute not in self._minutes:
            self._minutes[minute] = Counter()
            while len(self._minutes) > _MINUTES:
                self._minutes.popitem(last=False)
        self._minutes[minute][name] += amount
        self._totals[name] += amount

    def request(self, address: str, weight: int, machine_s: float, what: str = "") -> None:
        """Count a request to REST, and whether its sender should have waited.

        `what` is remembered of one that should not have been sent.
        """
        self.count("requests", machine_s)
        self.count("weight", machine_s, weight)
        wait = self._waits.get(address)
        if wait is not None and wait.told_s + GRACE_S < machine_s < wait.until_s:
            self.count(wait.counter, machine_s)
            self._offences.append(
                {
                    "counter": wait.counter,
                    "at": format_time(int(machine_s * 1000)),
                    "seconds_since_told": round(machine_s - wait.told_s, 3),
                    "seconds_to_wait": round(wait.until_s - machine_s, 3),
                    "request": what,
                }
            )

    def refused(self, address: str, status: int, wait_s: float, machine_s: float) -> None:
        """Remember that an address was told to wait: by 429, or by 418."""
        self.count(f"answered_{status}", machine_s)
        counter = "sent_while_banned" if status == 418 else "sent_while_limited"
        wait = self._waits.get(address)
        until_s = machine_s + wait_s
        if wait is not None and wait.counter == counter and machine_s < wait.until_s:
            # Told once more of the same: it knew since the first time.
            self._waits[address] = wait._replace(until_s=max(wait.until_s, until_s))
            return
        self._waits[address] = _Wait(counter, machine_s, until_s)
        if len(self._waits) > _ADDRESSES:
            self._waits.popitem(last=False)

    def reset(self) -> None:
        """Begin all counts anew; who was told to wait stays so."""
        self._minutes.clear()
        self._totals.clear()
        self._offences.clear()

    def tell(self) -> dict[str, object]:
        """Return the totals, each minute's counts and the offences, oldest first."""
        minutes = [
            {"minute": format_time(minute * 60_000), **_whole(counts)}
            for minute, counts in self._minutes.items()
        ]
        return {
            "totals": _whole(self._totals),
            "minutes": minutes,
            "offences": list(self._offences),
        }


def _whole(counts: Counter[str]) -> dict[str, int]:
    return {name: counts[name] for name in COUNTERS}
