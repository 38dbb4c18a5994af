"""The command line `forecast-sink`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from forecast_sink import dead_letters, verification
from forecast_sink.alerts import install_alerts
from forecast_sink.cluster import open_cluster
from forecast_sink.dashboards import Setting, build_dashboards, build_ndjson
from forecast_sink.dashboards.structure import find_problems
from forecast_sink.indices import FORECASTS
from forecast_sink.installation import install_indices
from forecast_sink.kibana import Kibana, check_available, import_objects, set_default_view
from forecast_sink.patience import Patience
from forecast_sink.rebuilding import migrate_indices, rebuild_index
from forecast_sink.service import run_relay
from forecast_sink.settings import InstallSettings, SinkSettings
from market.command import run_command, stderr, stop_on_signals
from market.errors import ExchangeUnavailable, InvalidParameter
from market.exchange_time import time_fetcher
from market.log import configure
from market.settings import load_settings
from market.store import Store, open_store

app = typer.Typer(
    help="Carry klines and forecasts to Elasticsearch, and install the dashboards.",
    no_args_is_help=True,
)
dead = typer.Typer(help="Documents that Elasticsearch refused for good.", no_args_is_help=True)
app.add_typer(dead, name="dead")

Json = Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout.")]
Letters = Annotated[
    list[str] | None, typer.Option("--key", help="Only this letter (may be repeated).")
]


@app.command()
def install(
    kibana: Annotated[
        str | None, typer.Option(help="Kibana's URL; default: KLINECAST_KIBANA_URL.")
    ] = None,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for Elasticsearch and for Kibana.")
    ] = 120.0,
    demo: Annotated[
        bool | None, typer.Option("--demo/--no-demo", help="Default: KLINECAST_DEMO.")
    ] = None,
    alerts: Annotated[
        bool, typer.Option("--alerts", help="Create the alert rules in Kibana too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Install index templates, indices and, where a Kibana is named, the dashboards."""
    settings = load_settings(InstallSettings)
    configure("forecast_sink", level=settings.log_level)
    client = open_cluster(settings.elasticsearch_url.get_secret_value())
    kibana_url = kibana or (settings.kibana_url and settings.kibana_url.get_secret_value())
    target = Kibana.at(kibana_url) if kibana_url else None
    if alerts and target is None:
        raise InvalidParameter("--alerts", "no Kibana", "a Kibana, by --kibana URL")
    done = Patience(wait).call(lambda: install_indices(client))
    # Only to make an index of an older version anew is the store asked for.
    sink = load_settings(SinkSettings)
    done = migrate_indices(
        done, lambda: _open()[1], client, sink.choices, lambda: _exchange_now_ms(sink)
    )
    if target is not None:
        setting = Setting(
            demo=settings.demo if demo is None else demo,
            symbol=settings.symbols.example,
            interval=settings.intervals[0].value,
        )
        done |= _install_in_kibana(target, setting, Patience(wait), alerts=alerts)
    if as_json:
        _write(done)
    else:
        for what, outcome in done.items():
            stderr.print(f"{what}: {outcome}", markup=False)


def _install_in_kibana(
    target: Kibana, setting: Setting, patience: Patience, *, alerts: bool
) -> dict[str, str]:
    objects = build_ndjson(*build_dashboards(setting))
    patience.call(lambda: check_available(target))
    taken = patience.call(lambda: import_objects(target, objects))
    known = patience.call(lambda: set_default_view(target, FORECASTS.alias))
    done = {
        "dashboards": f"{taken} saved objects imported",
        "default data view": FORECASTS.alias if known else "left: Kibana has no such request",
    }
    if alerts:
        done["alert rules"] = install_alerts(target, patience)
    return done


@app.command()
def relay() -> None:
    """Deliver what the outbox announces, until SIGTERM."""
    settings = load_settings(SinkSettings)
    configure("forecast_sink", level=settings.log_level)
    run_relay(settings, stop_on_signals())


@app.command()
def check(
    file: Annotated[
        Path | None, typer.Argument(help="Check this NDJSON of saved objects instead.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare the index with the store, document by document; exit 1 where they differ."""
    if file is not None:
        _check_file(file, as_json=as_json)
        return
    settings, store = _open()
    client = open_cluster(settings.elasticsearch_url.get_secret_value())
    report = verification.compare(store, client, settings.choices, _exchange_now_ms(settings))
    if as_json:
        _write(report.as_object())
    else:
        for line in report.as_lines():
            stderr.print(line, markup=False)
    if not report.agrees:
        sys.exit(1)


def _check_file(file: Path, *, as_json: bool) -> None:
    try:
        problems = find_problems(file.read_bytes())
    except OSError as error:
        raise InvalidParameter("FILE", str(file), f"a readable file ({error.strerror})") from error
    if as_json:
        _write({"problems": problems})
    else:
        for problem in problems or ["the file is sound"]:
            stderr.print(problem, markup=False)
    if problems:
        sys.exit(1)


@app.command()
def rebuild(
    index: Annotated[
        str, typer.Argument(help="forecasts, klines, scores, runs, signals, health or events")
    ],
    as_json: Json = False,
) -> None:
    """Make an index anew from the store; until it is whole the old one is shown."""
    settings, store = _open()
    client = open_cluster(settings.elasticsearch_url.get_secret_value())
    name, documents = rebuild_index(
        store, client, index, settings.choices, _exchange_now_ms(settings)
    )
    if as_json:
        _write({"index": name, "documents": documents})
    else:
        stderr.print(f"{name} is in place with {documents} documents", markup=False)


@dead.command("list")
def list_dead(as_json: Json = False) -> None:
    """List dead letters, newest first."""
    _, store = _open()
    letters = dead_letters.read(store)
    if as_json:
        _write({"dead_letters": letters})
        return
    for letter in letters:
        stderr.print(f"{letter['index']} {letter['key']}: {letter['reason']}", markup=False)
    stderr.print(f"{len(letters)} dead letters", markup=False)


@dead.command()
def retry(key: Letters = None, as_json: Json = False) -> None:
    """Announce dead letters once more: all, or those named."""
    settings, store = _open()
    count = dead_letters.retry(store, key, _exchange_now_ms(settings))
    _tell("announced again", count, as_json=as_json)


@dead.command()
def drop(key: Letters = None, as_json: Json = False) -> None:
    """Forget dead letters: all, or those named."""
    _, store = _open()
    _tell("dropped", dead_letters.drop(store, key), as_json=as_json)


def _open() -> tuple[SinkSettings, Store]:
    settings = load_settings(SinkSettings)
    configure("forecast_sink", level=settings.log_level)
    store = open_store(settings.store_url.get_secret_value())
    store.check_schema()
    return settings, store


def _exchange_now_ms(settings: SinkSettings) -> int:
    """Return the exchange's time; this machine's where the history API does not tell it."""
    try:
        return time_fetcher(settings.history_url)()
    except ExchangeUnavailable:
        return time.time_ns() // 1_000_000


def _tell(verb: str, count: int, *, as_json: bool) -> None:
    if as_json:
        _write({verb.replace(" ", "_"): count})
    else:
        stderr.print(f"{count} dead letters {verb}", markup=False)


def _write(value: Any) -> None:
    sys.stdout.buffer.write(orjson.dumps(value) + b"\n")


def main() -> None:
    """Run the command line."""
    run_command(app)
