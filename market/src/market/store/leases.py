"""Leases: which process alone may do a thing, and until when.

A lease is a row that expires by the database's clock, which all who want it share; its
holder prolongs it while it lives. It spares work done twice. It can't rule it out: a process
may stall after it looked, so what must be exact has to be so without it.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from typing import Any, NamedTuple

from sqlalchemy import Connection, or_, select

from market.errors import KlinecastError
from market.log import get_logger
from market.store import tables as t
from market.store.database_clock import now_ms
from market.store.engine import Store
from market.store.upsert import insert_absent
from market.times import format_time

log = get_logger()

#: How long a lease outlives its holder.
LENGTH_S = 5.0
_LOOK_EVERY_S = 0.5
_LONGEST_HOST = 64


class Holder(NamedTuple):
    """Who may hold leases: a name to show, `HOST:PID`, and a token no other process has."""

    name: str
    token: int


class Lease(NamedTuple):
    """A lease that somebody holds; `until_ms` is of the database's clock, in UTC."""

    name: str
    holder: Holder
    until_ms: int


def this_process() -> Holder:
    """Return a holder for this process; its token is drawn anew with each call."""
    name = f"{socket.gethostname()[:_LONGEST_HOST]}:{os.getpid()}"
    return Holder(name, secrets.randbits(63))


def take_lease(store: Store, name: str, holder: Holder, length_ms: int) -> Lease:
    """Take a lease that is free or expired, or prolong one's own; return whose it is now.

    It is the caller's where the result's `holder` is. `length_ms` counts from now.

    Raises:
        StoreUnavailable: the database does not answer; whether the lease was taken is open.
    """

    c, now = t.leases.c, now_ms(is_sqlite=store.is_sqlite)
    lease = {"holder": holder.name, "token": holder.token, "until_ms": now + length_ms}
    take = t.leases.update().where(c.name == name, or_(c.token == holder.token, c.until_ms <= now))
    expired = {"name": name, "holder": holder.name, "token": holder.token, "until_ms": 0}

    def work(connection: Connection) -> Lease:
        # The driver counts rows that matched, also where nothing changed.
        if connection.execute(take.values(lease)).rowcount == 0:
            insert_absent(connection, t.leases, [expired])
            connection.execute(take.values(lease))
        return _lease(connection.execute(select(t.leases).where(c.name == name)).one())

    return store.transact(work)


def read_lease(store: Store, name: str) -> Lease | None:
    """Return the lease of that name, `None` where it is free or expired.

    Raises:
        StoreUnavailable: the database does not answer.
    """
    c = t.leases.c
    query = select(t.leases).where(c.name == name, c.until_ms > now_ms(is_sqlite=store.is_sqlite))
    with store.read() as connection:
        found = connection.execute(query).one_or_none()
    return None if found is None else _lease(found)


def release_lease(store: Store, name: str, holder: Holder) -> bool:
    """Give a lease back, so that another one need not wait for its end; tell whether it was held.

    Raises:
        StoreUnavailable: the database does not answer; the lease then ends by itself.
    """
    c = t.leases.c
    own = t.leases.delete().where(c.name == name, c.token == holder.token)
    return store.transact(lambda connection: connection.execute(own).rowcount) == 1


def _lease(row: Any) -> Lease:
    return Lease(row.name, Holder(row.holder, row.token), row.until_ms)


class KeptLease:
    """A lease taken as soon as it is free, and prolonged until it is released. Thread-safe.

    Attributes:
        name: the lease's name.
        holder: who this one is.
    """

    def __init__(self, store: Store, name: str, *, length_s: float = LENGTH_S) -> None:
        self.name = name
        self.holder = this_process()
        self._store = store
        self._length_s = length_s
        self._held_until_s = 0.0
        self._other: Lease | None = None
        self._problem = ""
        self._failure: Exception | None = None
        self._ended = threading.Event()
        self._asked = threading.Condition()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{name}", daemon=True)

    @property
    def is_held(self) -> bool:
        """Tell whether this process may act now: it was given the lease, and it still lasts."""
        return time.monotonic() < self._held_until_s

    @property
    def standing_by(self) -> str | None:
        """Return why this process does not act, in one line; `None` while it may."""
        if self.is_held:
            return None
        other = self._other
        if other is None:
            return f"standing by: the lease is not taken yet{self._problem and ': '}{self._problem}"
        until = format_time(other.until_ms)
        return f"standing by: the lease is held by {other.holder.name} until {until}"

    def start(self) -> None:
        """Begin to take and prolong it, in a thread of its own."""
        self._thread.start()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the lease is held, at most so long; tell whether it is.

        Raises whatever ended the thread that prolongs it, but for a store that is down.
        """
        with self._asked:
            self._asked.wait_for(lambda: self.is_held or self._failure is not None, timeout_s)
        if self._failure is not None:
            raise self._failure
        return self.is_held

    def release(self, patience_s: float = 1.0) -> None:
        """Stop prolonging it and give it back; where that takes longer, it ends by itself."""
        self._ended.set()
        self._thread.join(patience_s)

    def _keep(self) -> None:
        try:
            while not self._ended.is_set():
                self._ask()
                self._ended.wait(self._length_s / 3 if self.is_held else _LOOK_EVERY_S)
            self._held_until_s = 0.0
            release_lease(self._store, self.name, self.holder)
        except KlinecastError as error:
            log.warning("lease_not_released", lease=self.name, reason=error.detail)
        except Exception as error:  # noqa: BLE001  the thread's outermost loop; `wait` raises it
            with self._asked:
                self._failure = error
                self._asked.notify_all()

    def _ask(self) -> None:
        try:
            self._take()
        except KlinecastError as error:
            if error.detail != self._problem:  # the store may well be down for long
                log.warning("lease_not_prolonged", lease=self.name, reason=error.detail)
            self._problem = error.detail
        else:
            self._problem = ""

    def _take(self) -> None:
        was_held, asked_s = self.is_held, time.monotonic()
        # A look costs no lock: those who wait take none from those who work.
        found = None if was_held else read_lease(self._store, self.name)
        if found is None or found.holder == self.holder:
            found = take_lease(self._store, self.name, self.holder, int(self._length_s * 1000))
        is_mine = found.holder == self.holder
        with self._asked:
            # Counted from before the question: never longer than the database counts.
            self._held_until_s = asked_s + self._length_s if is_mine else 0.0
            self._other = None if is_mine else found
            self._asked.notify_all()
        if is_mine != was_held:
            log.info("lease_taken" if is_mine else "lease_lost", lease=self.name)
