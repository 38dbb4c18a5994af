#!/usr/bin/env python3
"""Fetch the page's libraries from npm into `vendor/`, each file checked by its hash.

    python web/vendor.py            fetch what `vendor/manifest.json` names
    python web/vendor.py --check    only compare the files that are here with their hashes
    python web/vendor.py --update   fetch, and write the new hashes (after a version was edited)

Needs npm, and nothing but the standard library. The page itself needs none of this: the
fetched files are part of the repository.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

VENDOR = Path(__file__).parent / "vendor"
MANIFEST = VENDOR / "manifest.json"


class VendorError(Exception):
    """A package or a file is not what the manifest says."""


def read_manifest() -> list[dict[str, Any]]:
    """Return the packages: `name`, `version`, `sha256` of the tarball, and `files`."""
    packages: list[dict[str, Any]] = json.loads(MANIFEST.read_text())["packages"]
    return packages


def fetch_package(package: dict[str, Any], folder: Path) -> Path:
    """Download a package's tarball as npm publishes it; return its path."""
    wanted = f"{package['name']}@{package['version']}"
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise VendorError(f"npm could not fetch {wanted}: {done.stderr.strip()[-300:]}")
    return folder / done.stdout.split()[-1]


def read_member(tarball: Path, member: str) -> bytes:
    """Return one file of a package; `member` is its path inside the package."""
    with tarfile.open(tarball) as archive:
        file = archive.extractfile(f"package/{member}")
        if file is None:
            raise VendorError(f"{tarball.name} holds no {member}")
        return file.read()


def check_hash(what: str, content: bytes, expected: str) -> None:
    """Raise VendorError when `content` is not what the manifest recorded."""
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        raise VendorError(f"{what}: sha256 was {actual}, the manifest says {expected}")


def fetch_all(packages: list[dict[str, Any]], *, update: bool) -> None:
    """Write every vendored file; with `update` record the hashes instead of checking them."""
    with tempfile.TemporaryDirectory() as folder:
        for package in packages:
            tarball = fetch_package(package, Path(folder))
            content = tarball.read_bytes()
            if update:
                package["sha256"] = hashlib.sha256(content).hexdigest()
            check_hash(tarball.name, content, package["sha256"])
            for file in package["files"]:
                content = read_member(tarball, file["from"])
                if update:
                    file["sha256"] = hashlib.sha256(content).hexdigest()
                check_hash(file["to"], content, file["sha256"])
                (VENDOR / file["to"]).write_bytes(content)
    if update:
        MANIFEST.write_text(json.dumps({"packages": packages}, indent=2) + "\n")


def check_all(packages: list[dict[str, Any]]) -> None:
    """Compare the files in `vendor/` with their recorded hashes."""
    for package in packages:
        for file in package["files"]:
            check_hash(file["to"], (VENDOR / file["to"]).read_bytes(), file["sha256"])


def main() -> int:
    """Run the command line; return 0, or 1 with one line on stderr."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only compare the hashes")
    parser.add_argument("--update", action="store_true", help="record the hashes fetched")
    arguments = parser.parse_args()
    packages = read_manifest()
    try:
        if arguments.check:
            check_all(packages)
        else:
            fetch_all(packages, update=arguments.update)
    except (VendorError, OSError, KeyError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
