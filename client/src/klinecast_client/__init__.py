"""The history and forecast APIs of Klinecast as pandas DataFrames.

>>> from klinecast_client import Client
>>> with Client("http://127.0.0.1:8000") as client:            # doctest: +SKIP
...     frame = client.klines("BTCUSDT", "1h", "2024-01-01", "2024-02-01")
...     frame.attrs["completeness"]
"""

from klinecast_client.client import Client
from klinecast_client.fan import forecast_frame
from klinecast_client.history import MissingKlines
from klinecast_client.parameters import Symbol, Time
from klinecast_client.table import KlineTable

__all__ = ["Client", "KlineTable", "MissingKlines", "Symbol", "Time", "forecast_frame"]
