"""`klinecast-models evaluate`: walk models forward, keep the rows, print the cards."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forecasting.command import AsJson, Intervals, Symbols, read_training_settings
from market.command import time_option
from market.errors import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from forecasting.journal import Journal

_Models = Annotated[
    list[str] | None,
    typer.Option("--model", "--models", help="Models, by comma or repeated. Default: all."),
]
_HistoryUrl = Annotated[
    str | None, typer.Option("--history-url", help="Default: KLINECAST_HISTORY_URL.")
]
_Start = Annotated[
    str | None, typer.Option(help="Oldest open time: YYYY-MM-DD, ISO-8601 with offset, or ms.")
]
_End = Annotated[str | None, typer.Option(help="First open time left out.")]
_Steps = Annotated[list[int] | None, typer.Option("--step", help="Step to score; repeats.")]
_Keep = Annotated[
    Path | None, typer.Option("--keep", help="Folder to keep the walk-forward rows in.")
]
_Kept = Annotated[
    list[Path] | None, typer.Option("--kept", help="Score kept rows instead; repeats.")
]
_Details = Annotated[
    bool, typer.Option("--details", help="Add further losses, intervals, scores by regime.")
]


def evaluate(  # noqa: PLR0913 - each option of a command line is an argument
    symbol: Symbols = None,
    interval: Intervals = None,
    model: _Models = None,
    history_url: _HistoryUrl = None,
    start: _Start = None,
    end: _End = None,
    step: _Steps = None,
    keep: _Keep = None,
    kept: _Kept = None,
    details: _Details = False,
    as_json: AsJson = False,
) -> None:
    """Walk models forward over the stored history and print their score cards."""
    from forecasting.cards import CardPage, build_cards, build_details
    from forecasting.journal import read_journal, write_journal
    from forecasting.report import write_cards, write_details

    steps = _check_steps(step)
    if kept:
        journals = [read_journal(path) for path in kept]
    else:
        span = (time_option("start", start), time_option("end", end))
        journals = list(_iter_journals((symbol, interval), model, steps, history_url, span))
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        for one in journals:
            write_journal(one, keep / f"{one.symbol}-{one.interval}.npz")
    page = CardPage(cards=build_cards(journals))
    if not as_json:
        write_cards(page.cards)
        if details:
            write_details(build_details(journals))
        return
    body = page.model_dump(mode="json")
    if details:
        body["details"] = [one.model_dump(mode="json") for one in build_details(journals)]
    import orjson

    sys.stdout.write(orjson.dumps(body).decode() + "\n")


def _iter_journals(
    series: tuple[list[str] | None, list[str] | None],
    model: list[str] | None,
    steps: tuple[int, ...],
    history_url: str | None,
    span: tuple[int | None, int | None],
) -> Iterator[Journal]:
    from forecasting.dataset import build_dataset
    from forecasting.desk import followed_series
    from forecasting.evaluation import walk_journal
    from forecasting.registry import YARDSTICKS, check_models
    from forecasting.source import KlineSource
    from klinecast_client import Client

    wanted = [name for text in model or [] for name in text.split(",") if name]
    named = [name for name in wanted if name not in YARDSTICKS]
    models = [] if wanted and not named else check_models(named or None)
    settings = read_training_settings()
    client = Client(history_url or settings.history_url, settings.history_token, attempts=3)
    with closing(client):
        source = KlineSource(client)
        for name, one in followed_series(settings, *series):
            dataset = build_dataset(source.read_range(name, one, *span))
            yield walk_journal(dataset, models, steps, settings.device)


def _check_steps(steps: list[int] | None) -> tuple[int, ...]:
    from forecasting.recipe import SCORED_STEPS
    from market.forecast import MAX_STEPS

    if not steps:
        return SCORED_STEPS
    for step in steps:
        if not 1 <= step <= MAX_STEPS:
            raise InvalidParameter("step", step, f"1 to {MAX_STEPS}")
    return tuple(sorted(set(steps)))


def add_score_commands(app: typer.Typer) -> None:
    """Add the command to the models' command line."""
    app.command()(evaluate)
