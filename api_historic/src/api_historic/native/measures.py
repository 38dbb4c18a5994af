"""The routes that work something out of what is stored, put together."""

from __future__ import annotations

from fastapi import APIRouter

from api_historic.native.coverage import build_coverage_router
from api_historic.native.gaps import build_gap_router
from api_historic.native.resample import build_resample_router
from api_historic.native.stats import build_stats_router
from api_historic.native.symbols import build_symbol_router
from api_historic.service import Service
from market.store.month_counts import MonthCounts


def build_measure_routers(service: Service) -> list[APIRouter]:
    """Return the routers of symbols, coverage, gaps, statistics and resampling.

    Symbols and coverage share one memory of counts.
    """
    counts = MonthCounts()
    return [
        build_symbol_router(service, counts),
        build_coverage_router(service, counts),
        build_gap_router(service),
        build_stats_router(service),
        build_resample_router(service),
    ]
