"""Reading the parameters of `/v1`: each wrong one gets one clear sentence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler

from api_historic.cursor import Position, read_cursor
from market.errors import InvalidParameter
from market.interval import Interval
from market.kline import KLINE_FIELDS
from market.shapes import resolve_symbol
from market.times import MAX_MS, parse_time_ms

#: What `/v1/klines` answers unless asked: all that carries something.
DEFAULT_FIELDS = KLINE_FIELDS[:-1]
MAX_KLINES = 100_000
MAX_JOBS = 1_000
#: Characters of a symbol, a model or a kind: the store keeps no longer ones.
MAX_NAME = 64


@dataclass(frozen=True)
class Checked(BeforeValidator):
    """A check in our own words, and what `/openapi.json` says is valid."""

    schema: dict[str, Any] = field(default_factory=dict, kw_only=True)

    def __get_pydantic_json_schema__(
        self, core_schema: Any, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Return the schema in place of what the type alone would tell."""
        return self.schema


def _fields(value: str | list[str]) -> tuple[str, ...]:
    # FastAPI collects what may be several values in a list.
    text = value if isinstance(value, str) else ",".join(value)
    fields = tuple(part.strip() for part in text.split(","))
    if any(field not in KLINE_FIELDS for field in fields) or len(set(fields)) != len(fields):
        raise InvalidParameter("fields", text, "different ones of " + " ".join(KLINE_FIELDS))
    return fields


_FIELD = "(" + "|".join(KLINE_FIELDS) + ")"
FieldNames = Checked(
    _fields,
    schema={
        "type": "string",
        "pattern": f"^{_FIELD}(,{_FIELD}){{0,{len(KLINE_FIELDS) - 1}}}$",
        "example": "open_time,close",
    },
)


def integer(name: str, low: int, high: int) -> Checked:
    """Return the check of an integer parameter, both bounds included."""

    def read(value: Any) -> int:
        text = str(value)
        # No number has more than 20 digits: int() of a megabyte of them would take its time.
        is_integer = text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 20
        if not is_integer or not low <= int(text) <= high:
            raise InvalidParameter(name, value, f"an integer from {low} to {high}")
        return int(text)

    return Checked(read, schema={"type": "integer", "minimum": low, "maximum": high})


def moment(name: str) -> Checked:
    """Return the check of a time in ms, a date, or ISO-8601 with an offset."""
    return Checked(
        lambda value: None if value is None else parse_time_ms(name, value),
        schema={
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": MAX_MS},
                {"type": "string", "format": "date", "pattern": "^(19[7-9]|[2-9][0-9]{2})"},
                {"type": "string", "format": "date-time", "pattern": "^(19[7-9]|[2-9][0-9]{2})"},
            ],
            "example": "2024-01-01",
        },
    )


Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
Chosen = Annotated[Interval, BeforeValidator(Interval.parse)]


class Query(BaseModel):
    """Base of all queries."""

    model_config = ConfigDict(frozen=True)


def check_order(start_ms: int | None, end_ms: int | None) -> None:
    """Check that a range does not end before it starts.

    Raises:
        InvalidParameter: it does.
    """
    if start_ms is not None and end_ms is not None and end_ms < start_ms:
        raise InvalidParameter("end", end_ms, f"a time that is not before start, {start_ms}")


class PagedQuery(Query):
    """Goes on where a page ended."""

    cursor: str | None = Field(None, description="`next` of the page before.")

    def position(self) -> Position | None:
        """Return where the page begins, `None` for the first.

        Raises:
            InvalidParameter: the cursor is not one of ours.
        """
        return None if self.cursor is None else read_cursor(self.cursor)


class SymbolQuery(Query):
    """Names a symbol: `symbol`, or `currency` and `compare`."""

    symbol: Name | None = Field(None, description="Such as BTCUSDT.", examples=["BTCUSDT"])
    currency: Name | None = Field(None, description="With `compare` in place of `symbol`: BTC.")
    compare: Name | None = Field(None, description="The currency of the prices: USDT.")

    def symbol_name(self) -> str:
        """Return the symbol that is meant."""
        return resolve_symbol(self.symbol, self.currency, self.compare)


class SeriesQuery(SymbolQuery):
    """Names a series: a symbol and an interval."""

    interval: Chosen = Field(
        description="One of Binance's sixteen, case-sensitive.", examples=["1h"]
    )


class NewestKlinesQuery(SeriesQuery):
    """The parameters of `GET /v1/klines/latest`."""

    limit: Annotated[int, integer("limit", 1, MAX_KLINES)] = 1
    fields: Annotated[tuple[str, ...], FieldNames] = DEFAULT_FIELDS


class JobsQuery(Query):
    """The parameters of `GET /v1/jobs`."""

    kind: Name | None = None
    limit: Annotated[int, integer("limit", 1, MAX_JOBS)] = 100


class NoQuery(Query):
    """No parameters."""


def only(model: type[Query]) -> Callable[[Request], Awaitable[None]]:
    """Return a dependency that refuses parameters a query does not have, and repeated ones."""
    known = list(model.model_fields)
    expected = f"one of {', '.join(known)}" if known else "none: this address takes no parameters"

    async def check(request: Request) -> None:
        names = [name for name, _ in request.query_params.multi_items()]
        for name in names:
            if name not in known:
                raise InvalidParameter("parameter", name, expected)
            if names.count(name) > 1:
                values = request.query_params.getlist(name)
                raise InvalidParameter(name, values, "one value")

    return check
