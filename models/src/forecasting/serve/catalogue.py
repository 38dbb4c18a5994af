"""What is published for each series, with champions and score cards, and what was forecast."""

from __future__ import annotations

from collections.abc import Iterable

from forecasting.desk import Desk, SeriesName
from forecasting.serve.shapes import LedgerPage, ModelPage, ModelShape, SeriesLedger, SeriesModels
from market.interval import Interval
from market.shapes import ChampionShape
from market.store.champions import read_champion
from market.store.ledger_extents import read_ledger_extents
from market.store.score_ledger import read_score_cards
from market.store.symbols import find_series, read_symbols


def list_models(desk: Desk, series: Iterable[SeriesName]) -> ModelPage:
    """Return the newest bundle of every model of some series.

    Raises:
        NotFound: the store does not know a symbol.
    """
    return ModelPage(series=[_series(desk, symbol, interval) for symbol, interval in series])


def list_known_models(desk: Desk, series: Iterable[SeriesName]) -> ModelPage:
    """Return the same, leaving out followed symbols that the store does not know yet."""
    with desk.store.read() as connection:
        known = {symbol.symbol for _, symbol in read_symbols(connection)}
    return list_models(desk, [one for one in series if one[0] in known])


def count_forecasts(desk: Desk) -> LedgerPage:
    """Return how many forecasts are kept of every series."""
    with desk.store.read() as connection:
        extents = read_ledger_extents(connection)
    return LedgerPage(
        series=[
            SeriesLedger(
                symbol=extent.series.symbol,
                interval=extent.series.interval.value,
                forecasts=extent.forecasts,
                newest_cutoff_ms=extent.newest_cutoff_ms,
            )
            for extent in extents
        ]
    )


def _series(desk: Desk, symbol: str, interval: Interval) -> SeriesModels:
    with desk.store.read() as connection:
        champion = read_champion(connection, find_series(connection, symbol, interval))
        cards = read_score_cards(connection, symbol=symbol, interval=interval)
    published = desk.artefacts.newest(symbol, interval)
    return SeriesModels(
        symbol=symbol,
        interval=interval.value,
        champion=champion
        and ChampionShape(
            symbol=symbol,
            interval=interval.value,
            model=champion.model,
            version=champion.version,
            since_ms=champion.since_ms,
            reason=champion.reason,
        ),
        models=[
            ModelShape(
                model=model,
                version=bundle.version,
                trained_to_ms=bundle.trained_to_ms,
                is_champion=champion is not None and champion.model == model,
                cards=[card for card in cards if card.model == model],
            )
            for model, bundle in published.items()
        ],
    )
