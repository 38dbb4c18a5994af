"""Arrow streams of klines as numpy columns. Needs the extra `arrow` (pyarrow)."""

from __future__ import annotations

import io
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

import numpy as np

from klinecast_client.table import Column
from market.errors import ServiceUnavailable

#: Whether pyarrow is installed; it is imported only when it is needed.
HAS_ARROW = find_spec("pyarrow") is not None
#: Decimals of every price and volume.
_SCALE = 1e8
#: Integers below it are floats without loss.
_EXACT_BELOW = 2**53


class _Pipe(io.RawIOBase):
    """A file whose content arrives while it is read."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the next part goes."""
        while not self._rest:
            part = next(self._parts, None)
            if part is None:
                return 0
            self._rest = memoryview(part)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def read_columns(parts: Iterable[bytes], *, exact: bool) -> dict[str, Column]:
    """Return the columns of an Arrow stream: int64, and float64 or `Decimal` with `exact`.

    One batch of the stream is held beside what was read of it.

    Raises:
        ServiceUnavailable: the stream ends before its mark of the end.
    """
    import pyarrow as pa

    try:
        with pa.ipc.open_stream(io.BufferedReader(_Pipe(parts), 1 << 20)) as stream:
            schema = stream.schema
            batches = [
                [read_column(column, exact=exact) for column in batch.columns] for batch in stream
            ]
    except (pa.ArrowInvalid, OSError) as error:
        raise ServiceUnavailable(f"the API's Arrow stream broke off: {error}") from error
    empty = [read_column(pa.array([], kind), exact=exact) for kind in schema.types]
    columns = zip(empty, *batches, strict=True)
    return {
        name: np.concatenate(pieces) for name, pieces in zip(schema.names, columns, strict=True)
    }


def read_column(column: Any, *, exact: bool) -> Column:
    """Return one Arrow column: times and counts as int64, decimals as asked."""
    import pyarrow as pa

    if not pa.types.is_decimal(column.type):
        integers: Column = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
        return integers
    if exact:
        return np.array(column.to_pylist(), dtype=object)
    return _floats(column) if len(column) else np.array([], dtype=np.float64)


def _floats(column: Any) -> Column:
    """Return the floats nearest to decimals of eight places.

    Arrow's own conversion misses the nearest one for every seventh price. Both parts of the
    division are exact below 2^53, so that it rounds once, and rightly.
    """
    words = np.frombuffer(column.buffers()[1], dtype=np.int64).reshape(-1, 2)
    low, high = words[column.offset : column.offset + len(column)].T
    floats: Column = low / _SCALE
    large = np.flatnonzero((high != 0) | (low < 0) | (low >= _EXACT_BELOW))
    for place in large:
        floats[place] = float(column[int(place)].as_py())
    return floats
