"""Working ahead in threads, boundedly: what comes next is made while the last is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_END: Any = object()


def iter_ahead(
    items: Iterator[_Item], one_thread: Executor, *, depth: int = 2
) -> Generator[_Item, None, None]:
    """Yield an iterator's items; up to `depth` of them are made ahead in the thread.

    Closing returns when the thread has let go of the iterator.
    """
    pending = deque(one_thread.submit(next, items, _END) for _ in range(depth))
    try:
        while (item := pending.popleft().result()) is not _END:
            pending.append(one_thread.submit(next, items, _END))
            yield item
    finally:
        for future in pending:
            future.cancel()
        wait(pending)


def iter_parallel(
    work: Callable[[_Item], _Result],
    items: Sequence[_Item],
    workers: int,
    *,
    discard: Callable[[_Result], None],
) -> Generator[_Result, None, None]:
    """Yield the results in the items' order; at most `workers` + 1 are held at a time.

    Results that nobody takes any more, because this is closed, go to `discard`.
    """
    pending: deque[Future[_Result]] = deque()
    try:
        with ThreadPoolExecutor(workers, thread_name_prefix="download") as pool:
            try:
                for item in items:
                    pending.append(pool.submit(work, item))
                    if len(pending) > workers:
                        yield pending.popleft().result()
                while pending:
                    yield pending.popleft().result()
            finally:
                for future in pending:
                    future.cancel()
    finally:
        for future in pending:
            if not future.cancelled() and future.exception() is None:
                discard(future.result())
