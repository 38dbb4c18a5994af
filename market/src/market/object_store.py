"""Folders and buckets as object stores, by obstore."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from obstore.exceptions import BaseError
from obstore.store import from_url

from market.errors import SettingsError

_VALID_URLS = "file:///absolute/path or s3://bucket/prefix"


def open_objects(name: str, url: str) -> Any:
    """Open the object store at a URL; a folder is made, S3 follows the AWS_ variables.

    Raises:
        SettingsError: `name`, the setting or option, holds no URL of one.
    """
    parts = urlsplit(url)
    try:
        if parts.scheme == "file" and parts.path:
            Path(unquote(parts.path)).mkdir(parents=True, exist_ok=True)
            return from_url(url)
        if parts.scheme == "s3" and parts.netloc:
            # A server of one's own usually speaks plain HTTP on a private network.
            plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
            return from_url(
                url,
                config={"region": os.environ.get("AWS_REGION") or "us-east-1"},
                client_options={"allow_http": plain, "timeout": "20s"},
                retry_config={"max_retries": 3},
            )
    except (BaseError, OSError) as error:
        raise SettingsError(name, url, _VALID_URLS, hint=str(error).splitlines()[0]) from error
    raise SettingsError(name, url, _VALID_URLS)
