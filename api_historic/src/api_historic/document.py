"""What every operation's entry in `/openapi.json` has in common: its errors. Pure."""

from __future__ import annotations

from typing import Any

from market.shapes import ErrorBody

Responses = dict[int | str, dict[str, Any]]

_WAIT = {
    "Retry-After": {
        "description": "Seconds to wait before asking again.",
        "schema": {"type": "integer", "minimum": 1},
    }
}


def _error(description: str, *, waits: bool = False) -> dict[str, Any]:
    answer: dict[str, Any] = {"model": ErrorBody, "description": description}
    return {**answer, "headers": _WAIT} if waits else answer


#: The errors of `/v1`, each with the one body `{"error","detail","hint"}`.
NATIVE_ERRORS: Responses = {
    401: _error("A token is needed, or the one sent is unknown, revoked or expired."),
    403: _error("The token does not allow this."),
    404: _error("There is no such symbol, id or forecast."),
    422: _error("A parameter is missing or wrong; `detail` names it and says what is valid."),
    429: _error("The token's rate or quota is used up.", waits=True),
    503: _error("The store, or in the demo the exchange's clock, is away.", waits=True),
}

#: What calls that change something may answer besides.
CHANGE_ERRORS: Responses = NATIVE_ERRORS | {
    409: _error("The state of the installation forbids it."),
    413: _error("The body is larger than any that is expected."),
}

#: What calls that offer several formats may answer besides.
FORMAT_ERRORS: Responses = NATIVE_ERRORS | {
    406: _error("`Accept` names none of the formats there are."),
}
