"""What all tests share: the fixtures of `support`, and a summary that hides no skip."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from hypothesis import settings

# How long an example takes says more of the machine than of the code.
settings.register_profile("klinecast", deadline=None)
settings.load_profile("klinecast")

pytest_plugins = [
    "support.databases",
    "support.object_storage",
    "support.simulator",
    "support.elasticsearch",
]

#: Getting a server for the first time may mean building it.
_SERVER_TIMEOUT_S = 900
_SETTINGS = ("KLINECAST_", "POPULATE_", "HISTORY_", "MODELS_", "SINK_", "AWS_")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests that may have to build their server the time for it."""
    for item in items:
        needs_server = any(name.endswith("_server") for name in getattr(item, "fixturenames", ()))
        if needs_server and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_SERVER_TIMEOUT_S))


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_outside() -> None:
    """Keep the settings of the shell that runs the tests out of them."""
    for name in list(os.environ):
        if name.startswith(_SETTINGS) and not name.startswith("KLINECAST_TEST_"):
            del os.environ[name]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List what was skipped, and why: nothing is left out in silence."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason.removeprefix("Skipped: ")] += 1
    if not reasons:
        return
    terminalreporter.section("not run on this machine")
    for reason, count in sorted(reasons.items()):
        terminalreporter.line(f"{count} test{'s' if count > 1 else ''}: {reason}")
