"""Lists of shapes as DataFrames."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd

from market.forecast import Shape

_UNIT = "_ms"
#: Lengths of time stay numbers.
_LENGTHS = frozenset({"lag_ms"})


def build_listing(
    rows: Sequence[Shape], shape: type[Shape], *, without: Collection[str] = ()
) -> pd.DataFrame:
    """Return one row per shape; `time_ms` becomes the datetime (UTC) `time`, absent ones NaT."""
    names = [name for name in shape.model_fields if name not in without]
    columns: dict[str, object] = {}
    for name in names:
        values = [getattr(row, name) for row in rows]
        if name.endswith(_UNIT) and name not in _LENGTHS:
            times = pd.Series(values, dtype="Int64")
            columns[name.removesuffix(_UNIT)] = pd.to_datetime(times, unit="ms", utc=True)
        else:
            columns[name] = values
    return pd.DataFrame(columns)
