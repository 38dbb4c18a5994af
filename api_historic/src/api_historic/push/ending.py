"""Learning that the process was asked to end, while its streams are still open.

The server waits for open answers to end before it tells the app, and streams do not end by
themselves: so the signal itself is heard, and handed on to whoever heard it before.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType


def hear_ending(end: Callable[[], None]) -> None:
    """Call `end` at SIGTERM and SIGINT before what was called until now.

    Only a process's main thread can hear signals; elsewhere this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)

        def heard(
            number: int,
            frame: FrameType | None,
            before: Callable[[int, FrameType | None], object] | int | None = before,
        ) -> None:
            end()
            if callable(before):
                before(number, frame)

        signal.signal(number, heard)
