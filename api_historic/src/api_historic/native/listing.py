"""What the routes that list things share: names separated by commas, and marks. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from api_historic.native.parameters import MAX_NAME, Checked
from market.errors import InvalidParameter, NotFound

#: Names in one parameter.
MAX_NAMES = 1_024
_PART = f"[A-Za-z0-9._-]{{1,{MAX_NAME}}}"


def names(
    parameter: str,
    *,
    upper: bool = True,
    convert: Callable[[str], Any] = str,
    most: int = MAX_NAMES,
    part: str = _PART,
) -> Checked:
    """Return the check of names separated by commas, repeated ones counted once.

    `convert` may refuse one; `part` is what `/openapi.json` says of each.
    """
    expected = f"1 to {most} names of at most {MAX_NAME} characters, separated by commas"

    def read(value: Any) -> tuple[Any, ...] | None:
        if value is None:
            return None
        # FastAPI collects what may be several values in a list.
        text = value if isinstance(value, str) else ",".join(value)
        parts = [one.strip() for one in text.split(",", most)]
        if upper:
            parts = [one.upper() for one in parts]
        if len(parts) > most or any(not 0 < len(one) <= MAX_NAME for one in parts):
            raise InvalidParameter(parameter, text, expected)
        return tuple(convert(one) for one in dict.fromkeys(parts))

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
