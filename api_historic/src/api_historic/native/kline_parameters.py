"""The parameters of `GET /v1/klines`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api_historic.klines.formats import Format, parse_format
from api_historic.native.parameters import (
    DEFAULT_FIELDS,
    MAX_KLINES,
    MAX_NAME,
    Checked,
    FieldNames,
    PagedQuery,
    SeriesQuery,
    check_order,
    moment,
)
from market.errors import InvalidParameter
from market.shapes import resolve_symbol

#: Symbols of one answer.
MAX_SYMBOLS = 100
_LIMIT = f"an integer from 1 to {MAX_KLINES}, or any from 1 as ndjson, csv, arrow or parquet"
_DEFAULT_LIMIT = 1_000


def _read_limit(value: Any) -> int | None:
    if value is None:
        return None
    text = str(value)
    if not (text.isascii() and text.isdigit() and len(text) <= 15 and int(text) > 0):
        raise InvalidParameter("limit", value, _LIMIT)
    return int(text)


class KlinesQuery(PagedQuery, SeriesQuery):
    """The parameters of `GET /v1/klines`."""

    symbol: Annotated[str | None, Field(min_length=1, max_length=MAX_SYMBOLS * MAX_NAME)] = Field(
        None,
        description="Such as BTCUSDT. Several, joined by commas, in any format but JSON.",
        examples=["BTCUSDT"],
    )
    start: Annotated[int | None, moment("start")] = Field(
        None, description="Oldest open time: ms, YYYY-MM-DD or ISO-8601 with offset."
    )
    end: Annotated[int | None, moment("end")] = Field(
        None, description="Open times stay before this one."
    )
    limit: Annotated[int | None, Checked(_read_limit, schema={"type": "integer", "minimum": 1})] = (
        Field(
            None,
            description=f"At most so many klines. JSON: {_DEFAULT_LIMIT} unless given, at most"
            f" {MAX_KLINES}; the other formats answer the whole range unless it is given.",
        )
    )
    fields: Annotated[tuple[str, ...], FieldNames] = Field(
        DEFAULT_FIELDS, description="Which fields, in this order."
    )
    order: Literal["asc", "desc"] = Field("asc", description="Oldest or newest first.")
    as_of: Annotated[int | None, moment("as_of")] = Field(
        None, description="Klines as they were known then: before later restatements."
    )
    times: Literal["ms", "iso"] = Field(
        "ms", description="Times as UTC epoch milliseconds or as ISO-8601; text formats only."
    )
    format: Annotated[
        Format | None,
        Checked(parse_format, schema={"type": "string", "enum": [str(form) for form in Format]}),
    ] = Field(None, description="Default: what `Accept` likes best, else JSON.")

    def symbol_names(self) -> list[str]:
        """Return the symbols that are meant, each once.

        Raises:
            InvalidParameter: none is named, one is empty, or there are too many.
        """
        names = resolve_symbol(self.symbol, self.currency, self.compare).split(",")
        names = list(dict.fromkeys(name.strip() for name in names))
        if not all(names) or len(names) > MAX_SYMBOLS:
            raise InvalidParameter("symbol", self.symbol, f"1 to {MAX_SYMBOLS} symbols")
        return names

    def check(self, form: Format) -> None:
        """Check what the parameters mean together, in that format.

        Raises:
            InvalidParameter: a range that ends before it starts, or what the format has not.
        """
        check_order(self.start, self.end)
        if self.times == "iso" and not form.is_text:
            raise InvalidParameter("times", "iso", f"ms: {form} has times of its own")
        if form is not Format.JSON:
            return
        if self.limit is not None and self.limit > MAX_KLINES:
            raise InvalidParameter("limit", str(self.limit), _LIMIT)
        if len(self.symbol_names()) > 1:
            raise InvalidParameter(
                "symbol", self.symbol, "one symbol as JSON", hint="Add format=ndjson, or csv."
            )

    def limit_in(self, form: Format) -> int | None:
        """Return how many klines are meant at most, `None` for all."""
        return _DEFAULT_LIMIT if self.limit is None and form is Format.JSON else self.limit
