"""Waiting for a server that is still starting."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from market.errors import RetryableError
from market.log import get_logger

log = get_logger()

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0

_Result = TypeVar("_Result")


class Patience:
    """A stretch of time in which a failing call is tried again."""

    def __init__(self, seconds: float) -> None:
        self._deadline_s = time.monotonic() + seconds

    def call(self, work: Callable[[], _Result]) -> _Result:
        """Return what `work` returns; where it may pass later, try again until time is up.

        Raises whatever the last try raised.
        """
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return work()
            except RetryableError as error:
                left_s = self._deadline_s - time.monotonic()
                if left_s <= 0:
                    raise
                log.info("waiting", reason=error.detail)
                time.sleep(min(pause_s * random.uniform(0.5, 1.0), left_s))
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
