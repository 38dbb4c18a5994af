"""The populator's Prometheus metrics."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

ROWS = Counter(
    "populate_base_rows_total",
    "Klines written that were new or changed.",
    ["symbol", "interval", "source"],
)
LAG = Gauge(
    "populate_base_lag_seconds",
    "The exchange's time less the newest stored close.",
    ["symbol", "interval"],
)
REQUESTS = Counter(
    "populate_base_requests_total", "Requests to Binance by outcome.", ["target", "outcome"]
)
WEIGHT_USED = Gauge("populate_base_weight_used", "Request weight used in this minute.")
WEIGHT_LIMIT = Gauge("populate_base_weight_limit", "Request weight allowed in a minute.")
WEIGHT_BUDGET = Gauge(
    "populate_base_weight_budget", "Request weight this installation allows itself in a minute."
)
WEIGHT_BANNED_UNTIL = Gauge(
    "populate_base_weight_banned_until_seconds",
    "Epoch second until which Binance asked to send nothing; 0 where it never did.",
)
BYTES = Counter("populate_base_bytes_total", "Bytes received from Binance.", ["target"])
RECONNECTS = Counter("populate_base_reconnects_total", "Times the stream was opened again.")
WARNINGS = Counter("populate_base_warnings_total", "Files that could not be used.")
SWAPS = Counter("populate_base_swaps_total", "Stream connections replaced before their end.")
SPOOL = Gauge(
    "populate_base_spool_bytes", "Bytes of klines that wait on disk for the store.", ["connection"]
)
GAPS = Gauge("populate_base_gaps", "Open gaps of all series, by cause.", ["cause"])
UNCONFIRMED = Gauge(
    "populate_base_unconfirmed_seconds",
    "The exchange's time less that up to which REST or the archive confirmed a series.",
    ["symbol", "interval"],
)
CORRECTED = Counter(
    "populate_base_corrected_total", "Streamed klines that REST told otherwise later."
)
UNKNOWN_TO_REST = Counter(
    "populate_base_unknown_to_rest_total", "Stored klines that REST did not have."
)
