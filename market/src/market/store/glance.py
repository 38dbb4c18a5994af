"""Reads of one statement: the statement is its own snapshot, and costs one round trip.

A transaction around it would cost three more: asking whether the connection lives, opening
and ending it. So these connections commit by themselves and are not asked first.
"""

from __future__ import annotations

from queue import Empty, LifoQueue
from typing import Any

from sqlalchemy.exc import DBAPIError

from market.store.engine import Store
from market.store.faults import translated
from market.store.raw_rows import RawQuery, RawRow


class Glance:
    """Connections of a store for single statements. Safe to share between threads.

    As many are opened as are used at once, and kept.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._idle: LifoQueue[Any] = LifoQueue()

    def read(self, query: RawQuery, **parameters: int) -> list[RawRow]:
        """Return the rows of a statement, as they are committed now.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        engine = self._store.engine
        with translated(engine.url):
            try:
                return self._run(self._idle.get_nowait(), query, parameters)
            except Empty:
                pass
            except DBAPIError:
                # It may have died since: the server was restarted, or cut it off for idling.
                self.close()
            return self._run(self._open(), query, parameters)

    def close(self) -> None:
        """Close the connections nobody uses."""
        while True:
            try:
                self._idle.get_nowait().close()
            except Empty:
                return

    def _open(self) -> Any:
        engine = self._store.engine
        try:
            pooled = engine.raw_connection()
        except engine.dialect.loaded_dbapi.Error as error:
            raise DBAPIError(None, None, error) from error
        driver = pooled.driver_connection
        pooled.detach()
        if not self._store.is_sqlite and driver is not None:
            driver.autocommit = True
        return driver

    def _run(self, driver: Any, query: RawQuery, parameters: dict[str, int]) -> list[RawRow]:
        try:
            rows = list(query.iter_driver(driver, self._store.engine.dialect.name, parameters))
        except DBAPIError:
            driver.close()
            raise
        self._idle.put(driver)
        return rows
