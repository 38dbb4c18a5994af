"""Counting requests in process: what many requests use is taken from the store at once.

A process takes requests of a limited account before it lets them through, so no limit is ever
passed, however many processes there are. It takes for all who wait at that moment, and some
ahead for those who will come within a blink: as many as it lately needed, a twentieth of a
second's worth at most. Those nobody came for are given back. Accounts without limits are only
counted, once a second.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace

from market.access.principal import Account, Limits
from market.access.standing import Standing, standing_of
from market.access.threads import InThread
from market.access.usage import Usage, take_requests, write_requests
from market.errors import KlinecastError, TooManyRequests
from market.log import get_logger
from market.store.engine import Store

log = get_logger()

_FLUSH_S = 1.0
#: How long requests taken ahead are good for.
_KEEP_S = 0.25
#: Accounts without a rate: at most so many are taken ahead.
_MOST_AHEAD = 50
#: A quota may be raised at any time: so soon it is asked for again.
_ASK_AGAIN_S = 5.0
_MOST_ACCOUNTS = 10_000


@dataclass(slots=True)
class _Purse:
    """What this process holds of one account; `good_until_s` is of the monotonic clock."""

    usage: Usage | None = None
    held: int = 0
    taken_s: float = 0.0
    good_until_s: float = 0.0
    refused_until_s: float = 0.0
    ahead: int = 0
    waiting: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def has_any(self) -> bool:
        """Whether a request can be taken out now."""
        return self.held > 0 and time.monotonic() < self.good_until_s

    def standing(self, limits: Limits) -> Standing | None:
        """Return what is left, with what is held here and what was freed meanwhile."""
        if self.usage is None:
            return None
        freed_us = int((time.monotonic() - self.taken_s) * 1_000_000)
        if limits.rate_per_s is not None:
            freed_us += self.held * 1_000_000 // limits.rate_per_s
        owed_us = max(0, self.usage.owed_us - freed_us)
        return standing_of(
            limits, replace(self.usage, used=self.usage.used - self.held, owed_us=owed_us)
        )


class LimitReached(TooManyRequests):
    """A quota or a rate is used up.

    Attributes:
        standing: what answers tell of it.
    """

    def __init__(
        self, detail: str, *, retry_after_s: float, hint: str, standing: Standing | None
    ) -> None:
        super().__init__(detail, retry_after_s=retry_after_s, hint=hint)
        self.standing = standing


class Meter:
    """Counts the requests of one process. For one event loop.

    Args:
        in_thread: runs what blocks.
    """

    def __init__(self, store: Store, in_thread: InThread) -> None:
        self._store = store
        self._in_thread = in_thread
        self._purses: dict[Account, _Purse] = {}
        self._counts: defaultdict[str, int] = defaultdict(int)
        self._flusher: asyncio.Task[None] | None = None

    async def spend(self, account: Account) -> Standing | None:
        """Count one request; return what is left, `None` of an account without limits.

        Raises:
            TooManyRequests: the account's quota or rate is used up.
            StoreUnavailable: that can't be told, as the database does not answer.
        """
        if not account.limits.any:
            self._note(account.key, 1)
            return None
        purse = self._purse(account)
        if not purse.has_any:
            purse.waiting += 1
            try:
                async with purse.lock:
                    if not purse.has_any:
                        await self._fill(account, purse)
            finally:
                purse.waiting -= 1
        purse.held -= 1
        return purse.standing(account.limits)

    def give_back(self, account: Account) -> None:
        """Take back one request that was counted and not made."""
        self._note(account.key, -1)

    async def flush(self) -> None:
        """Write down what was only counted here, and give back what nobody came for."""
        for account, purse in self._purses.items():
            if purse.held and not purse.has_any:
                self._note(account.key, -purse.held)
                purse.held = 0
        counts = {key: count for key, count in self._counts.items() if count}
        self._counts.clear()
        if not counts:
            return
        try:
            await self._in_thread(lambda: write_requests(self._store, counts))
        except KlinecastError as error:
            log.warning("usage_not_written", reason=error.detail, accounts=len(counts))
            for key, count in counts.items():
                self._counts[key] += count

    async def close(self) -> None:
        """Write down everything; for the end of the process."""
        if self._flusher is not None:
            self._flusher.cancel()
        for purse in self._purses.values():
            purse.good_until_s = 0.0
        await self.flush()

    async def _fill(self, account: Account, purse: _Purse) -> None:
        left_s = purse.refused_until_s - time.monotonic()
        if left_s > 0 and purse.usage is not None:
            raise _refusal(account, purse.usage, left_s)
        self._settle_ahead(account, purse)
        wanted = purse.waiting + purse.ahead
        taken, usage = await self._take(account, wanted)
        if not taken and wanted > 1:
            wanted = 1
            taken, usage = await self._take(account, wanted)
        purse.usage, purse.taken_s = usage, time.monotonic()
        if not taken:
            wait_s = usage.wait_s(account.limits)
            purse.refused_until_s = purse.taken_s + min(wait_s, _ASK_AGAIN_S)
            raise _refusal(account, usage, wait_s)
        purse.held, purse.good_until_s = wanted, purse.taken_s + _KEEP_S
        self._begin_flushing()

    def _settle_ahead(self, account: Account, purse: _Purse) -> None:
        # Nothing left over: more could have been taken. Something: less would have done.
        rate = account.limits.rate_per_s
        most = _MOST_AHEAD if rate is None else rate // 20
        if purse.held:
            self._note(account.key, -purse.held)
            purse.ahead = max(0, purse.ahead - purse.held)
            purse.held = 0
        else:
            purse.ahead = min(most, purse.ahead * 2 + 1)

    async def _take(self, account: Account, count: int) -> tuple[bool, Usage]:
        return await self._in_thread(lambda: take_requests(self._store, account, count))

    def _purse(self, account: Account) -> _Purse:
        purse = self._purses.get(account)
        if purse is None:
            if len(self._purses) >= _MOST_ACCOUNTS:
                idle = [
                    key for key, one in self._purses.items() if not one.held and not one.waiting
                ]
                for key in idle:
                    del self._purses[key]
            purse = self._purses[account] = _Purse()
        return purse

    def _note(self, key: str, count: int) -> None:
        self._counts[key] += count
        self._begin_flushing()

    def _begin_flushing(self) -> None:
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.get_running_loop().create_task(self._flush_while_used())

    async def _flush_while_used(self) -> None:
        while True:
            await asyncio.sleep(_FLUSH_S)
            await self.flush()
            if not self._counts and not any(purse.held for purse in self._purses.values()):
                return


def _refusal(account: Account, usage: Usage, wait_s: float) -> TooManyRequests:
    limits = account.limits
    if usage.left_of_quota(limits) == 0:
        detail = f"the month's quota of {limits.monthly_quota} requests is used up"
        hint = "It begins anew with the next month (UTC); an administrator can give more."
    else:
        detail = f"more than {limits.rate_per_s} requests in a second"
        hint = "Wait as long as Retry-After says."
    return LimitReached(
        detail, retry_after_s=wait_s, hint=hint, standing=standing_of(limits, usage)
    )
