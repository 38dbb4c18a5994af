"""What `/metrics` of the relay tells."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

DELIVERED = Counter(
    "forecast_sink_delivered_total", "Announcements delivered and confirmed.", ["index"]
)
DOCUMENTS = Counter("forecast_sink_documents_total", "Documents that Elasticsearch confirmed.")
REJECTED = Counter(
    "forecast_sink_rejected_total", "Announcements moved to the dead letters.", ["index"]
)
FAILURES = Counter(
    "forecast_sink_failures_total", "Rounds that ended early and were tried again later."
)
ROUND_SECONDS = Histogram("forecast_sink_round_seconds", "Duration of a round that had work.")
LEASE_HELD = Gauge("forecast_sink_lease_held", "1 where this relay delivers, 0 where it stands by.")
WAITING = Gauge("forecast_sink_outbox_size", "Announcements that wait.")
LAG_SECONDS = Gauge(
    "forecast_sink_lag_seconds", "Age of the oldest announcement, in the exchange's seconds."
)
DEAD_LETTERS = Gauge("forecast_sink_dead_letters", "Dead letters kept.")
