"""Write the dashboards' NDJSON: `python -m forecast_sink.dashboards > klinecast.ndjson`."""

from __future__ import annotations

import sys

from forecast_sink.dashboards import Setting, build_dashboards, build_ndjson

setting = Setting(demo="--demo" in sys.argv[1:])
sys.stdout.buffer.write(build_ndjson(*build_dashboards(setting)))
