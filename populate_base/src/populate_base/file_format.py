"""The formats of kline files: their names, columns and types. Pure but for pyarrow's types."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from market.errors import InvalidParameter
from market.kline import AMOUNT_DIGITS, KLINE_FIELDS, PRICE_DIGITS

if TYPE_CHECKING:
    import pyarrow as pa

_DECIMALS = 8
_PRICES = frozenset({"open", "high", "low", "close"})
_INTEGERS = frozenset({"open_time", "close_time", "number_of_trades"})
#: What freqtrade keeps of a kline, in its order.
FREQTRADE_FIELDS = ("date", "open", "high", "low", "close", "volume")


class FileFormat(StrEnum):
    """A format that klines are exported to and imported from."""

    CSV = "csv"
    PARQUET = "parquet"
    FEATHER = "feather"
    FREQTRADE = "freqtrade"


def format_of(path: Path) -> FileFormat:
    """Return the format that a file's name tells: `.csv`, `.csv.gz`, `.parquet`, `.feather`.

    Raises:
        InvalidParameter: it tells none.
    """
    name = path.name.lower().removesuffix(".gz")
    for kind in (FileFormat.CSV, FileFormat.PARQUET, FileFormat.FEATHER):
        if name.endswith(f".{kind}"):
            return kind
    raise InvalidParameter(
        "FILE", path.name, "a name that ends in .csv, .csv.gz, .parquet or .feather"
    )


def exact_schema(metadata: dict[str, str]) -> pa.Schema:
    """Return the columns of Parquet and Feather: times int64 in ms, numbers as decimals."""
    import pyarrow as pa

    types: dict[str, Any] = dict.fromkeys(_INTEGERS, pa.int64()) | {"ignore": pa.string()}
    fields = []
    for name in KLINE_FIELDS:
        digits = PRICE_DIGITS if name in _PRICES else AMOUNT_DIGITS
        decimal = pa.decimal128(digits + _DECIMALS, _DECIMALS)
        fields.append(pa.field(name, types.get(name, decimal), nullable=False))
    return pa.schema(fields, metadata=metadata)


def freqtrade_schema() -> pa.Schema:
    """Return the columns freqtrade's Feather files have: the open time, five floats."""
    import pyarrow as pa

    date = pa.field(FREQTRADE_FIELDS[0], pa.timestamp("ms", tz="UTC"))
    return pa.schema([date, *(pa.field(name, pa.float64()) for name in FREQTRADE_FIELDS[1:])])
