"""The browser that looks at whole installations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from support.browser import running_chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a file's trials, gone before other tests want the event loop."""
    with running_chromium() as chromium:
        yield chromium
