"""The faults that are set, and what they do to what is about to be served."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from binance_simulator.clock import SimulatedClock
from binance_simulator.faults.entry import Fault, read_fault
from binance_simulator.faults.rows import Delisted, Listed, Renamed, RowFault, RowRule, View
from binance_simulator.faults.streams import DropStreams, ServerShutdown
from binance_simulator.faults.when import Asked

Effect = TypeVar("Effect")
_ANYTHING = Asked()


class Happening(NamedTuple):
    """Something that befalls all open connections; numbered from 1."""

    number: int
    effect: DropStreams | ServerShutdown


class Faults:
    """The faults that are set, in the order they were set; the first that meets wins."""

    def __init__(
        self,
        clock: SimulatedClock,
        seed: int = 0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._seed = seed
        self._monotonic = monotonic
        self._set: defaultdict[type, list[Fault]] = defaultdict(list)
        self._happenings: deque[Happening] = deque(maxlen=64)
        self._happened = 0

    def add(self, asked: Mapping[str, object], name: str = "") -> Fault | None:
        """Set a fault, or forget all with `{"kind": "reset"}`.

        Raises:
            InvalidParameter: the entry is not a fault the simulator has.
        """
        if asked == {"kind": "reset"}:
            self._set.clear()
            return None
        fault = self.read(asked, name)
        self.set(fault)
        return fault

    def read(self, asked: Mapping[str, object], name: str = "") -> Fault:
        """Return the fault of an entry, not set yet; raises as `add` does."""
        return read_fault(
            asked,
            name=name,
            seed=self._seed,
            now_ms=self._clock.now_ms(),
            machine_s=self._monotonic(),
        )

    def set(self, fault: Fault) -> None:
        """Set a fault that was read."""
        self._set[type(fault.effect)].append(fault)

    def __iter__(self) -> Iterator[Fault]:
        for faults in self._set.values():
            yield from faults

    def strike(self, kind: type[Effect], asked: Asked) -> Effect | None:
        """Return the fault that strikes this request, and count it as struck."""
        faults = self._set.get(kind)
        if not faults:
            return None
        now_ms, machine_s = self._clock.now_ms(), self._monotonic()
        for fault in faults:
            if fault.strikes(asked, now_ms, machine_s):
                if fault.is_spent:
                    faults.remove(fault)
                return fault.effect  # type: ignore[no-any-return]  # listed by its type
        return None

    def holding(
        self, kind: type[Effect], asked: Asked = _ANYTHING, thing: str = ""
    ) -> list[Effect]:
        """Return the faults of a kind that are in force for a thing, oldest first."""
        faults = self._set.get(kind)
        if not faults:
            return []
        now_ms, machine_s = self._clock.now_ms(), self._monotonic()
        return [
            fault.effect
            for fault in faults
            if fault.target.meets(asked)
            and fault.is_in_force(now_ms, machine_s)
            and fault.chance.picks(thing)
        ]

    def view(self, source: str, symbol: str) -> View:
        """Return how a source tells the klines of a symbol now."""
        now_ms, machine_s = self._clock.now_ms(), self._monotonic()
        return tuple(
            rule
            for fault in self._row_faults(source, symbol)
            if fault.is_in_force(now_ms, machine_s)
            for rule in [_rule(fault, symbol)]
            if rule is not None
        )

    def changed_ms(self, source: str, symbol: str) -> int:
        """Return when `view` last became another one; 0 where it always was this one."""
        now_ms = self._clock.now_ms()
        moments = [0]
        for fault in self._row_faults(source, symbol):
            moments += [t for t in (fault.when.from_ms, fault.when.until_ms) if t is not None]
        return max(moment for moment in moments if moment <= now_ms)

    def life(self, symbol: str) -> tuple[int | None, int | None]:
        """Return when a symbol was listed and delisted, `None` where no fault says so."""
        listed, delisted = None, None
        for fault in [*self._set[Delisted], *self._set[Listed], *self._set[Renamed]]:
            rule = _rule(fault, symbol)
            if rule is not None and isinstance(rule.fault, Delisted):
                delisted = rule.fault.at
            elif rule is not None and isinstance(rule.fault, Listed):
                listed = rule.fault.at
        return listed, delisted

    @property
    def happened(self) -> int:
        """The number of the newest happening."""
        for kind in (DropStreams, ServerShutdown):
            for fault in list(self._set.get(kind, ())):
                self._let_happen(fault)
        return self._happened

    def happenings(self, after: int) -> list[Happening]:
        """Return what has happened since the happening with that number."""
        if self.happened <= after:
            return []
        return [one for one in self._happenings if one.number > after]

    def _let_happen(self, fault: Fault) -> None:
        start_ms = fault.set_ms if fault.when.from_ms is None else fault.when.from_ms
        due_ms = start_ms + int(fault.struck * fault.when.every_s * 1000)
        if self._clock.now_ms() < due_ms:
            return
        fault.struck += 1
        self._happened += 1
        self._happenings.append(Happening(self._happened, fault.effect))
        if fault.is_spent or not fault.when.every_s:
            self._set[type(fault.effect)].remove(fault)

    def _row_faults(self, source: str, symbol: str) -> Iterator[Fault]:
        for kind, faults in self._set.items():
            if not issubclass(kind, RowFault | Renamed):
                continue
            for fault in faults:
                # Which interval is struck is the rule's to say; a new name is no target yet.
                target = fault.target._replace(
                    interval=(), symbol=() if kind is Renamed else fault.target.symbol
                )
                if target.meets(Asked("/", symbol, None, source)):
                    yield fault

    def tell(self) -> list[dict[str, object]]:
        """Return the faults that are set, as they were asked for, and how often they struck."""
        return [{**fault.asked, "struck": fault.struck} for fault in self]


def _rule(fault: Fault, symbol: str) -> RowRule | None:
    """How a fault of klines strikes a symbol; a renaming ends one and begins another."""
    effect = fault.effect
    if isinstance(effect, Renamed):
        if symbol in fault.target.symbol:
            effect = Delisted(at=effect.at)
        elif symbol == effect.to:
            effect = Listed(at=effect.at)
        else:
            return None
    elif fault.target.symbol and symbol not in fault.target.symbol:
        return None
    return RowRule(effect, fault.target.interval, fault.chance)
