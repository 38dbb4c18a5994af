"""What the routes that list things share: names separated by commas, and marks. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from api_historic.native.parameters import MAX_NAME, Checked
from market.errors import InvalidParameter, NotFound

#: Names in one parameter.
MAX_NAMES = 1_024


def names(
    parameter: str,
    *,
    upper: bool = True,
    convert: Callable[[str], Any] = str,
    most: int = MAX_NAMES,
) -> Checked:
    """Return the check of different names separated by commas; `convert` may refuse one."""
    expected = f"1 to {most} different names of at most {MAX_NAME} characters, between commas"

    def read(value: Any) -> tuple[Any, ...] | None:
        if value is None:
            return None
        # FastAPI collects what may be several values in a list.
        text = value if isinstance(value, str) else ",".join(value)
        parts = [part.strip() for part in text.split(",", most)]
        if upper:
            parts = [part.upper() for part in parts]
        wrong = any(not 0 < len(part) <= MAX_NAME for part in parts)
        if wrong or len(set(parts)) != len(parts) or len(parts) > most:
            raise InvalidParameter(parameter, text[:200], expected)
        return tuple(convert(part) for part in parts)

    part = f"[^,]{{1,{MAX_NAME}}}"
    return Checked(read, schema={"type": "string", "pattern": f"^{part}(,{part}){{0,{most - 1}}}$"})


def find_numbers(wanted: Iterable[str], known: Mapping[str, int]) -> tuple[int, ...]:
    """Return the store's numbers of symbols.

    Raises:
        NotFound: naming the first that is not known.
    """
    numbers = []
    for name in wanted:
        number = known.get(name)
        if number is None:
            raise NotFound(
                f"symbol {name!r} is not known here", hint="GET /v1/symbols lists what is stored."
            )
        numbers.append(number)
    return tuple(numbers)
