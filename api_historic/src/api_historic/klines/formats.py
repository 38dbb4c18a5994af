"""The formats klines are answered in, and which one a request means. Pure."""

from __future__ import annotations

from enum import StrEnum

from market.errors import InvalidParameter


class Format(StrEnum):
    """A format of `/v1/klines`; the value is what `format=` takes."""

    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"
    ARROW = "arrow"
    PARQUET = "parquet"

    @property
    def is_text(self) -> bool:
        """Whether it holds text, in which times may be ISO-8601."""
        return self in (Format.JSON, Format.NDJSON, Format.CSV)


MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.NDJSON: "application/x-ndjson",
    Format.CSV: "text/csv",
    Format.ARROW: "application/vnd.apache.arrow.stream",
    Format.PARQUET: "application/vnd.apache.parquet",
}
_BY_MEDIA_TYPE = {
    **{media_type: form for form, media_type in MEDIA_TYPES.items()},
    "application/ndjson": Format.NDJSON,
    "application/jsonl": Format.NDJSON,
    "*/*": Format.JSON,
    "application/*": Format.JSON,
    "text/*": Format.CSV,
}


def parse_format(text: str) -> Format:
    """Return the format of that name.

    Raises:
        InvalidParameter: there is none.
    """
    try:
        return Format(text)
    except ValueError:
        raise InvalidParameter("format", text, "one of " + " ".join(Format)) from None


def accepted_format(accept: str | None) -> Format | None:
    """Return the format an `Accept` header likes best; JSON without one, `None` for no known."""
    if accept is None or not accept.strip():
        return Format.JSON
    found: list[tuple[float, Format]] = []
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        form = _BY_MEDIA_TYPE.get(name)
        weight = _weight(parameters)
        if form is not None and weight > 0:
            found.append((weight, form))
    # Of equal ones the first.
    return max(found, key=lambda one: one[0])[1] if found else None


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
