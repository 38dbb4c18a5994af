"""The answers of the model API that no other service knows."""

from __future__ import annotations

from market.forecast import ScoreCard, Shape
from market.shapes import ChampionShape


class ModelShape(Shape):
    """The newest bundle of one model of a series, and how it was scored."""

    model: str
    version: str
    trained_to_ms: int
    is_champion: bool
    cards: list[ScoreCard]


class SeriesModels(Shape):
    """What is published for one series."""

    symbol: str
    interval: str
    champion: ChampionShape | None
    models: list[ModelShape]


class ModelPage(Shape):
    """The answer of `GET /v1/models`."""

    series: list[SeriesModels]


class SeriesLedger(Shape):
    """How many forecasts of a series are kept, of all models, and the newest one's cutoff."""

    symbol: str
    interval: str
    forecasts: int
    newest_cutoff_ms: int


class LedgerPage(Shape):
    """The answer of `GET /v1/ledger`: every series that was ever forecast."""

    series: list[SeriesLedger]
