"""What the local mode decides to run."""

from __future__ import annotations

from pathlib import Path

import pytest

from operations.layout import Layout
from operations.local_plan import LocalPlan, build_local_plan, read_commands
from operations.settings import OperateSettings

ROOT = Path(__file__).parents[3]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A folder with a Procfile, a lock file and one module."""
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "Procfile").write_text((ROOT / "up" / "Procfile").read_text())
    (tmp_path / "uv.lock").write_text("version = 1\n")
    module = tmp_path / "market" / "src" / "market" / "kline.py"
    module.parent.mkdir(parents=True)
    module.write_text("A = 1\n")
    return Layout(tmp_path)


def plan(layout: Layout, *, demo: bool = False, **variables: str) -> LocalPlan:
    """Plan with these variables in the environment."""
    fields = {
        "KLINECAST_ELASTICSEARCH_URL": "elasticsearch_url",
        "HISTORY_PORT": "history_port",
    }
    values = {fields[name]: value for name, value in variables.items() if name in fields}
    settings = OperateSettings(**values)
    return build_local_plan(settings, layout, {"PATH": "/bin", **variables}, demo=demo)


def names(found: LocalPlan) -> list[str]:
    return [service.name for service in found.services]


def test_demo_runs_the_simulator_first(layout: Layout) -> None:
    assert names(plan(layout, demo=True)) == [
        "simulator", "history", "populator", "models", "trainer",
    ]  # fmt: skip


def test_live_data_need_no_simulator(layout: Layout) -> None:
    assert "simulator" not in names(plan(layout))


def test_sink_runs_where_there_is_an_elasticsearch(layout: Layout) -> None:
    found = plan(layout, KLINECAST_ELASTICSEARCH_URL="http://127.0.0.1:9200")

    assert names(found)[-1] == "sink"


def test_every_service_has_a_command() -> None:
    commands = read_commands(ROOT / "up" / "Procfile")

    assert set(commands) == {"simulator", "history", "populator", "models", "trainer", "sink"}


def test_store_and_models_lie_in_the_state_folder(layout: Layout) -> None:
    environment = plan(layout).environment

    assert environment["KLINECAST_STORE_URL"] == f"sqlite:///{layout.root}/.klinecast/klinecast.db"
    assert environment["KLINECAST_ARTEFACTS_URL"] == f"file://{layout.root}/.klinecast/artefacts"
    assert environment["POPULATE_STATE_DIR"] == f"{layout.root}/.klinecast/populator"
    assert environment["HISTORY_SEGMENTS_DIR"] == f"{layout.root}/.klinecast/segments"


def test_named_store_wins_over_the_default(layout: Layout) -> None:
    url = "mysql://someone:word@127.0.0.1/market"

    assert plan(layout, KLINECAST_STORE_URL=url).environment["KLINECAST_STORE_URL"] == url


def test_demo_never_asks_binance(layout: Layout) -> None:
    found = plan(layout, demo=True, KLINECAST_BINANCE_REST_URL="https://data-api.binance.vision")

    for kind in ("REST", "STREAM", "ARCHIVE"):
        assert "127.0.0.1:8010" in found.environment[f"KLINECAST_BINANCE_{kind}_URL"]
    assert found.environment["KLINECAST_DEMO"] == "true"


def test_other_services_find_a_moved_history_api(layout: Layout) -> None:
    found = plan(layout, HISTORY_PORT="8123")

    assert found.history_url == "http://127.0.0.1:8123"


def test_environment_finds_our_commands_first(layout: Layout) -> None:
    assert plan(layout).environment["PATH"].startswith(f"{layout.root}/.venv/bin:")


def test_same_settings_have_the_same_fingerprint(layout: Layout) -> None:
    assert plan(layout, demo=True).fingerprint == plan(layout, demo=True).fingerprint


def test_fingerprint_changes_with_a_setting(layout: Layout) -> None:
    changed = plan(layout, KLINECAST_SYMBOLS="SOLUSDT")

    assert changed.fingerprint != plan(layout).fingerprint


def test_fingerprint_ignores_variables_of_others(layout: Layout) -> None:
    assert plan(layout, TERM="xterm").fingerprint == plan(layout, TERM="dumb").fingerprint


def test_fingerprint_changes_with_the_code(layout: Layout) -> None:
    before = plan(layout).fingerprint

    (layout.root / "market" / "src" / "market" / "kline.py").write_text("A = 2\n")

    assert plan(layout).fingerprint != before
