"""The vendored libraries are the ones whose hashes were recorded."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).parents[2] / "web"


def test_vendored_files_match_their_recorded_hashes() -> None:
    packages = json.loads((WEB / "vendor" / "manifest.json").read_text())["packages"]

    recorded = {file["to"]: file["sha256"] for package in packages for file in package["files"]}
    present = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (WEB / "vendor").iterdir()
        if path.name not in ("manifest.json", "NOTICE.txt")
    }

    assert present == recorded


def test_vendor_check_refuses_a_changed_file(tmp_path: Path) -> None:
    shutil.copytree(WEB, tmp_path / "web")
    script = tmp_path / "web" / "vendor.py"
    command = [sys.executable, str(script), "--check"]
    untouched = subprocess.run(command, capture_output=True, text=True, check=False)
    library = tmp_path / "web" / "vendor" / "lightweight-charts.mjs"
    library.write_text(library.read_text() + "\n")

    changed = subprocess.run(command, capture_output=True, text=True, check=False)

    assert untouched.returncode == 0
    assert changed.returncode == 1
    assert changed.stderr.startswith("error: lightweight-charts.mjs: sha256 was ")
