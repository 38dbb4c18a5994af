"""`binance-simulator`: a Binance that runs offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from binance_simulator.app import build_app
from binance_simulator.catalogue import Catalogue, scan
from binance_simulator.clock import SimulatedClock
from binance_simulator.exchange import Exchange
from binance_simulator.exchange_info import split_symbol
from binance_simulator.faults.parameters import SYMBOL
from binance_simulator.history import History
from binance_simulator.scenario import Scenario, read_scenario
from binance_simulator.server import listen
from binance_simulator.server import serve as serve_app
from binance_simulator.state import read_state
from market import log
from market.command import run_command, time_option
from market.errors import InvalidParameter
from market.settings import SettingsPart, load_settings

app = typer.Typer(
    help="A Binance that runs offline, from recorded klines.",
    no_args_is_help=True,
    add_completion=False,
)


@app.callback()
def _app() -> None:
    """A Binance that runs offline, from recorded klines."""


@app.command()
def serve(  # noqa: PLR0913 - each option of a command line is an argument
    data: Annotated[list[Path], typer.Option(help="Folder of klines; repeat for more.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8010,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    now: Annotated[
        str | None, typer.Option(help="Where the clock starts; default: the newest close + 1 ms.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Times as fast as real; 0 is frozen.")] = 1.0,
    state: Annotated[
        Path | None, typer.Option(help="File that keeps the clock over restarts.")
    ] = None,
    weight_limit: Annotated[
        int | None, typer.Option(min=1, help="Request weight a minute and address may use.")
    ] = None,
    scenario: Annotated[
        Path | None, typer.Option(help="TOML file of faults and limits to start with.")
    ] = None,
    alias: Annotated[
        list[str] | None, typer.Option(help="NEWUSDT=BTCUSDT serves files under one more name.")
    ] = None,
    clone: Annotated[
        list[str] | None, typer.Option(help="BTCUSDT:1000 serves them under so many more names.")
    ] = None,
) -> None:
    """Serve recorded klines as Binance's archive, REST API and kline streams.

    Finds files named SYMBOL-INTERVAL-YYYY-MM[-DD].zip anywhere below each --data folder.
    """
    log.configure("simulator", level=load_settings(SettingsPart).log_level)
    listening = listen(host, port)
    history = History(catalogue := scan(data))
    end_ms = history.newest_close() + 1
    started_ms = time_option("--now", now)
    if started_ms is None:
        started_ms = end_ms
    elif started_ms > end_ms:
        raise InvalidParameter("--now", now, "a time before the end of the data")
    if state is not None:
        if not state.parent.is_dir():
            raise InvalidParameter("--state", str(state), "a file in a folder that is there")
        kept_ms = read_state(state)
        started_ms = started_ms if kept_ms is None else kept_ms
    clock = SimulatedClock(started_ms, speed, end_ms)
    for text in alias or ():
        _add_names(catalogue, "--alias", text, [_read_alias(text)])
    for text in clone or ():
        _add_names(catalogue, "--clone", text, _read_clones(text))
    told = Scenario() if scenario is None else read_scenario(scenario)
    if weight_limit is not None:
        told = told._replace(limits=told.limits._replace(weight=weight_limit))
    exchange = Exchange(catalogue, history, clock, told)
    serve_app(build_app(exchange), listening, clock, state)


def _read_alias(text: str) -> tuple[str, str]:
    new, _, symbol = text.partition("=")
    if not (SYMBOL.fullmatch(new) and SYMBOL.fullmatch(symbol)):
        raise InvalidParameter("--alias", text, "NEWUSDT=BTCUSDT")
    return new, symbol


def _read_clones(text: str) -> list[tuple[str, str]]:
    """Return BTC0001USDT to BTC1000USDT for `BTCUSDT:1000`."""
    symbol, _, count = text.partition(":")
    if not (SYMBOL.fullmatch(symbol) and count.isdigit() and 1 <= int(count) <= 9999):
        raise InvalidParameter("--clone", text, "BTCUSDT:N, N from 1 to 9999")
    base, quote = split_symbol(symbol)
    return [(f"{base}{number:04d}{quote}", symbol) for number in range(1, int(count) + 1)]


def _add_names(catalogue: Catalogue, option: str, text: str, names: list[tuple[str, str]]) -> None:
    for new, symbol in names:
        try:
            catalogue.add_alias(new, symbol)
        except InvalidParameter as error:
            raise InvalidParameter(option, text, error.expected) from None


def main() -> None:
    """Run the command line."""
    run_command(app)
