"""Reading one entry of a scenario, or of the control, into a fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from binance_simulator.faults.kinds import KINDS, MOMENT, REQUESTS, Kind
from binance_simulator.faults.parameters import Reader
from binance_simulator.faults.when import TARGET_FIELDS, WHEN_FIELDS, Asked, Chance, Target, When
from market.errors import InvalidParameter


@dataclass
class Fault:
    """A fault that was set: what it does, to whom, when, and how often it has struck.

    Attributes:
        set_ms, set_s: when it was set, by the exchange's clock and by the machine's.
        asked: the entry as it was given.
    """

    kind: str
    effect: Any
    target: Target
    when: When
    asked: Mapping[str, object]
    chance: Chance
    set_ms: int
    set_s: float
    met: int = field(default=0)
    struck: int = field(default=0)

    def is_in_force(self, now_ms: int, machine_s: float) -> bool:
        """Tell whether its time is now."""
        when = self.when
        return (
            (when.from_ms is None or when.from_ms <= now_ms)
            and (when.until_ms is None or now_ms < when.until_ms)
            and (when.seconds is None or machine_s < self.set_s + when.seconds)
        )

    def strikes(self, asked: Asked, now_ms: int, machine_s: float) -> bool:
        """Tell whether it strikes this request, and count it."""
        if not self.target.meets(asked) or not self.is_in_force(now_ms, machine_s):
            return False
        self.met += 1
        if self.met <= self.when.after or self.is_spent or not self.chance.picks(self.met):
            return False
        self.struck += 1
        return True

    @property
    def is_spent(self) -> bool:
        """Tell whether it has struck as often as it was asked to."""
        return self.when.count is not None and self.struck >= self.when.count


def read_fault(
    asked: Mapping[str, object], *, name: str = "", seed: object = 0, now_ms: int, machine_s: float
) -> Fault:
    """Return the fault an entry describes.

    `name` is what errors call the entry, such as `faults[3]`; `seed` sets its dice.

    Raises:
        InvalidParameter: naming the entry, the field, what was given and what is valid.
    """
    word = asked.get("kind")
    if not isinstance(word, str) or word not in KINDS:
        raise InvalidParameter(_named(name, "kind"), word, "one of " + " ".join(sorted(KINDS)))
    kind = KINDS[word]
    own = {one.name: one for one in fields(kind.effect)}
    taken = {"kind", *kind.target, *kind.when, *own}
    unknown = sorted(set(asked) - taken)
    if unknown:
        valid = f"only fields of {word}: " + ", ".join(sorted(taken))
        raise InvalidParameter(_named(name, unknown[0]), asked[unknown[0]], valid)
    required = [*kind.required, *(n for n, one in own.items() if one.default is MISSING)]
    absent = [one for one in required if one not in asked]
    if absent:
        raise InvalidParameter(_named(name, absent[0]), None, f"{word} to name it")
    parameters = _read(asked, {n: one.metadata["read"] for n, one in own.items()}, name)
    when = _read_when(asked, kind, name)
    target = Target(**({"source": kind.source} | _read(asked, TARGET_FIELDS, name, kind.target)))
    chance = Chance(when.probability, f"{seed}/{word}/{sorted(asked.items(), key=str)}")
    return Fault(word, kind.effect(**parameters), target, when, asked, chance, now_ms, machine_s)


def _read(
    asked: Mapping[str, object],
    readers: Mapping[str, Reader],
    name: str,
    wanted: Iterable[str] | None = None,
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for field_name in readers if wanted is None else wanted:
        if field_name not in asked:
            continue
        try:
            values[field_name] = readers[field_name](asked[field_name])
        except ValueError as error:
            raise InvalidParameter(
                _named(name, field_name), asked[field_name], str(error)
            ) from None
    return values


def _read_when(asked: Mapping[str, object], kind: Kind, name: str) -> When:
    given = _read(asked, WHEN_FIELDS, name, kind.when)
    if kind.when in (REQUESTS, MOMENT) and given.keys() <= {"after", "every_s"}:
        # What is limited in no other way strikes once.
        given["count"] = 1
    from_ms, until_ms = given.pop("from", None), given.pop("until", None)
    if from_ms is not None and until_ms is not None and until_ms <= from_ms:
        raise InvalidParameter(_named(name, "until"), asked["until"], "a time after `from`")
    return When(from_ms=from_ms, until_ms=until_ms, **given)


def _named(entry: str, name: str) -> str:
    return f"{entry} {name}" if entry else name
