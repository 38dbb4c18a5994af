"""Write the dashboards' NDJSON: `python -m forecast_sink.dashboards > klinecast.ndjson`."""

from __future__ import annotations

import sys

from forecast_sink.dashboards import build_dashboard, build_ndjson

sys.stdout.buffer.write(build_ndjson(build_dashboard(demo="--demo" in sys.argv[1:])))
