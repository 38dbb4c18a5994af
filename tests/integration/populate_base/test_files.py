"""Export and import: what goes out comes back, digit by digit; wrong files change nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from market.errors import DataError
from market.gaps import Cause, Gap, Range
from market.interval import HOUR_MS, Interval
from market.kline import KLINE_FIELDS, Kline
from market.store import Store
from market.store.symbols import Series
from populate_base.file_export import export_series
from populate_base.file_format import FileFormat
from populate_base.file_import import Importer, ImportReport
from populate_base.file_klines import Rules
from support.klines import START_MS, make_klines
from support.populator import (
    batches_of,
    ledger_of,
    opened_store,
    run_populator,
    stored_klines,
)
from support.ports import free_port
from support.stores import add_series

#: Neither command needs an exchange for symbols that the store knows.
AWAY = {"KLINECAST_BINANCE_REST_URL": f"http://127.0.0.1:{free_port()}"}
SERIES = ["--symbol", "BTCUSDT", "--interval", "1h"]
KLINES = make_klines(Interval.H1, 100)
RULES = Rules(now_ms=KLINES[-1].close_time_ms + 1)
ALL = (None, None)


@pytest.fixture(params=["sqlite_url", "mysql_url"])
def target(request: pytest.FixtureRequest) -> Iterator[Store]:
    with opened_store(request.getfixturevalue(request.param)) as store:
        yield store


@pytest.fixture
def series(target: Store) -> Series:
    return add_series(target, "BTCUSDT", Interval.H1)


def write_csv(path: Path, klines: list[Kline]) -> Path:
    lines = [",".join(KLINE_FIELDS), *(",".join(map(str, kline)) for kline in klines)]
    path.write_text("\n".join(lines) + "\n")
    return path


def bring(store: Store, series: Series, path: Path, *, replace: bool = False) -> ImportReport:
    return Importer(store, RULES, replace=replace).run(series, path)


@pytest.fixture
def filled(target: Store, series: Series, tmp_path: Path) -> Path:
    """A file that was imported: `KLINES`."""
    file = write_csv(tmp_path / "in.csv", KLINES)
    bring(target, series, file)
    return file


@pytest.mark.parametrize("kind", [FileFormat.CSV, FileFormat.PARQUET, FileFormat.FEATHER])
def test_what_goes_out_comes_back(
    target: Store, series: Series, tmp_path: Path, kind: FileFormat
) -> None:
    klines = [kline for slot, kline in enumerate(KLINES) if slot not in (40, 41)]
    klines[50] = klines[50]._replace(open_time_ms=klines[50].open_time_ms + 14_789)
    bring(target, series, write_csv(tmp_path / "in.csv", klines))

    said = export_series(target, series, ALL, kind, tmp_path / f"out.{kind}")
    with opened_store(f"sqlite:///{tmp_path / 'second.db'}") as second:
        again = add_series(second, "BTCUSDT", Interval.H1)
        told = bring(second, again, tmp_path / f"out.{kind}")
        assert stored_klines(second, again) == stored_klines(target, series) == klines
        assert ledger_of(second, again) == ledger_of(target, series)

    hole = Range(START_MS + 40 * HOUR_MS, START_MS + 42 * HOUR_MS)
    assert (said.klines, said.completeness) == (98, 0.98)
    assert said.gaps == [Gap(*hole, Cause.REPAIRABLE)]
    assert (told.inserted, told.irregular, told.missing) == (98, 1, [hole])
    assert not list(tmp_path.glob(".*"))


def test_csv_has_field_names_and_exact_digits(
    target: Store, series: Series, filled: Path, tmp_path: Path
) -> None:
    span = (KLINES[2].open_time_ms, KLINES[4].open_time_ms)

    export_series(target, series, span, FileFormat.CSV, tmp_path / "out.csv")

    lines = [",".join(KLINE_FIELDS), *(",".join(map(str, kline)) for kline in KLINES[2:4])]
    assert (tmp_path / "out.csv").read_text() == "\n".join(lines) + "\n"


def test_parquet_is_typed_and_names_its_series(
    target: Store, series: Series, filled: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"

    export_series(target, series, ALL, FileFormat.PARQUET, out)

    schema = pq.read_schema(out)
    assert {name: str(schema.field(name).type) for name in ("open_time", "open", "volume")} == {
        "open_time": "int64",
        "open": "decimal128(20, 8)",
        "volume": "decimal128(28, 8)",
    }
    assert json.loads(schema.metadata[b"klinecast"])["symbol"] == "BTCUSDT"
    assert [str(value) for value in pd.read_parquet(out)["close"][:2]] == [
        kline.close for kline in KLINES[:2]
    ]


def test_freqtrade_reads_its_own_columns(
    target: Store, series: Series, filled: Path, tmp_path: Path
) -> None:
    out = tmp_path / "BTC_USDT-1h.feather"

    export_series(target, series, ALL, FileFormat.FREQTRADE, out)

    # As freqtrade's own reader takes it: the columns by position, the time as it is.
    frame = pd.read_feather(out)
    assert list(frame.columns) == ["date", "open", "high", "low", "close", "volume"]
    assert list(frame.dtypes[1:]) == ["float64"] * 5
    assert frame["date"].dt.tz is not None
    assert frame["date"][1] == pd.Timestamp("2024-01-01T01:00:00Z")
    assert frame["close"].to_list() == [float(kline.close) for kline in KLINES]
    with pytest.raises(DataError, match="lacks close_time, quote_asset_volume"):
        bring(target, series, out)


def test_an_import_again_changes_nothing(target: Store, series: Series, filled: Path) -> None:
    before = batches_of(target)

    told = bring(target, series, filled)

    assert (told.inserted, told.same, told.replaced) == (0, 100, 0)
    assert batches_of(target) == before
    assert [(source, url) for source, url, _ in before] == [("import", "file:in.csv")]


def test_stored_values_stay_unless_asked(
    target: Store, series: Series, filled: Path, tmp_path: Path
) -> None:
    changed = [KLINES[0], KLINES[1]._replace(volume="1.00000000"), *KLINES[2:]]
    other = write_csv(tmp_path / "other.csv", changed)

    kept = bring(target, series, other)
    stored = stored_klines(target, series)
    replaced = bring(target, series, other, replace=True)

    assert stored == KLINES
    assert (kept.differing, kept.replaced) == ([KLINES[1].open_time_ms], 0)
    assert (replaced.differing, replaced.replaced) == ([KLINES[1].open_time_ms], 1)
    assert stored_klines(target, series) == changed


def test_a_file_before_what_is_stored_leaves_the_hole_in_the_ledger(
    target: Store, series: Series, tmp_path: Path
) -> None:
    bring(target, series, write_csv(tmp_path / "late.csv", KLINES[80:]))
    bring(target, series, write_csv(tmp_path / "early.csv", KLINES[:20]))

    gap = Gap(KLINES[20].open_time_ms, KLINES[80].open_time_ms, Cause.REPAIRABLE)
    assert ledger_of(target, series) == ([gap], KLINES[19].open_time_ms)


def lines(klines: list[Kline]) -> str:
    return "\n".join(",".join(map(str, kline)) for kline in klines)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("1,2,3,4,5,6,7,8,9,10,11\n", "has 11 columns; expected the twelve of a kline"),
        (",".join(KLINE_FIELDS) + "\n" + "x," * 11 + "0\n", "row 1: number_of_trades was 'x'"),
        (",".join(KLINE_FIELDS) + "\n", "holds no closed kline"),
        (lines(make_klines(Interval.M15, 9)), "they are of another interval"),
        (lines([*KLINES[:50], KLINES[3]]), "row 51: it opens at 2024-01-01T03:00:00.000Z, before"),
    ],
)
def test_a_wrong_file_is_one_sentence_and_changes_nothing(
    sqlite_url: str, tmp_path: Path, content: str, said: str
) -> None:
    file = tmp_path / "wrong.csv"
    file.write_text(content)
    with opened_store(sqlite_url) as store:
        series = add_series(store, "BTCUSDT", Interval.H1)

        done = run_populator(["import", str(file), *SERIES], sqlite_url, AWAY)

        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr
        assert done.stderr.count("error:") == 1
        assert "Traceback" not in done.stderr
        assert stored_klines(store, series) == []
        assert batches_of(store) == []


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--out", "nowhere/x.csv"], 1, "cannot be written: No such file or directory"),
        (["--out", "/dev/null/x.csv"], 1, "cannot be written: Not a directory"),
        (["--out", "x" * 250 + ".csv"], 1, "cannot be written: File name too long"),
        (["--out", "x.csv", "--start", "2024-02-01", "--end", "2024-01-01"], 2, "end was"),
        (["--out", "x.csv", "--start", "2030-01-01"], 1, "no kline of BTCUSDT 1h is stored"),
        (["--out", "x.csv", "--symbol", "NOPE"], 1, "symbol 'NOPE' is not known here"),
        (["--out", "x.csv", "--interval", "7m"], 2, "interval was '7m'"),
    ],
)
def test_a_wrong_export_is_one_sentence_and_makes_no_file(
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    status: int,
    said: str,
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    with opened_store(sqlite_url) as store:
        series = add_series(store, "BTCUSDT", Interval.H1)
        bring(store, series, write_csv(tmp_path / "in.csv", KLINES))

        done = run_populator(["export", *SERIES, "--format", "csv", *arguments], sqlite_url, AWAY)

    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


def test_both_commands_say_what_they_did(sqlite_url: str, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "in.csv", [*KLINES[:40], *KLINES[42:]])
    out = tmp_path / "out.csv"
    with opened_store(sqlite_url) as store:
        add_series(store, "BTCUSDT", Interval.H1)

        brought = run_populator(["import", str(file), *SERIES, "--json"], sqlite_url, AWAY)
        again = run_populator(["import", str(file), *SERIES], sqlite_url, AWAY)
        export = ["export", *SERIES, "--format", "csv", "--out", str(out)]
        taken = run_populator(export, sqlite_url, AWAY)

    told = json.loads(brought.stdout)
    assert (told["klines"], told["inserted"], told["differing"]) == (98, 98, [])
    assert told["missing"] == [
        {"start_ms": START_MS + 40 * HOUR_MS, "end_ms": START_MS + 42 * HOUR_MS}
    ]
    assert "98 klines in in.csv, 0 new, 98 stored before, 0 replaced" in again.stdout
    assert "2 klines are missing within it, in 1 gaps" in again.stdout
    assert "98 klines of BTCUSDT 1h" in taken.stdout
    assert "98.0000% complete" in taken.stdout
    assert out.read_bytes() == file.read_bytes()
