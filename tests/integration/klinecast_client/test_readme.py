"""The README's example runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from support.history_api import history_api
from support.seed import NOW_MS, seed_market
from support.workspace import ROOT

README = ROOT / "client" / "README.md"
ADDRESS = "http://127.0.0.1:8000"


def test_example_runs(tmp_path: Path) -> None:
    script = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)[0]
    assert ADDRESS in script

    with history_api(seed_market(f"sqlite:///{tmp_path / 'store.db'}"), NOW_MS) as url:
        done = subprocess.run(
            [sys.executable, "-c", script.replace(ADDRESS, url)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert done.returncode == 0, done.stderr[-3000:]
    assert "MissingKlines" in done.stderr  # January is before the first kline
