from __future__ import annotations

import json
import logging
import subprocess
import sys

import pytest

from market.log import mask_secrets, mask_text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mysql://user:hunter2@host/db", "mysql://user:***@host/db"),
        ("https://elastic:hunter2@es:9200 refused", "https://elastic:***@es:9200 refused"),
        ("GET /x?symbol=B&signature=hunter2&a=1", "GET /x?symbol=B&signature=***&a=1"),
        ('{"password": "hunter2", "user": "a"}', '{"password": "***", "user": "a"}'),
        ("API_KEY=hunter2 was refused", "API_KEY=*** was refused"),
        ("http://host:9200/a@b", "http://host:9200/a@b"),
        ("nothing to hide: 1 token left", "nothing to hide: 1 token left"),
    ],
)
def test_secrets_in_texts_are_masked(text: str, masked: str) -> None:
    assert mask_text(text) == masked


def test_secrets_are_masked_at_any_depth() -> None:
    event = {
        "event": "started",
        "api_key": "hunter2",
        "settings": {"store": {"Password": "hunter2"}, "urls": ["mysql://a:hunter2@b/c"]},
        "pair": ("x", "redis://:hunter2@b"),
        "rows": 3,
    }

    masked = mask_secrets(None, "info", event)

    assert "hunter2" not in repr(masked)
    assert masked["rows"] == 3
    assert masked["event"] == "started"


_PROGRAM = """
import logging
from market import log
log.configure("shop", level="INFO")
logger = log.get_logger()
logger.info("opened", url="mysql://a:hunter2@b/c", rows=3)
logger.debug("unseen")
logging.getLogger("library").warning("careful with %s", "mysql://a:hunter2@b/c")
logging.getLogger("httpx").info("unseen")
try:
    raise ValueError("mysql://a:hunter2@b/c")
except ValueError:
    logger.exception("failed")
"""


def test_log_is_one_json_object_a_line() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True
    )

    assert done.stdout == ""
    assert "hunter2" not in done.stderr
    first, second, third = [json.loads(line) for line in done.stderr.splitlines()]
    assert (first["event"], first["rows"], first["service"]) == ("opened", 3, "shop")
    assert (second["event"], second["level"]) == ("careful with mysql://a:***@b/c", "warning")
    assert (third["event"], third["level"]) == ("failed", "error")
    assert "ValueError" in third["exception"]
    assert {"timestamp", "level", "service"} <= first.keys() & second.keys() & third.keys()


def test_importing_configures_nothing() -> None:
    assert logging.getLogger("market").handlers == []
