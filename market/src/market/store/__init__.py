"""The store: klines, gaps, provenance, the forecast ledger, the outbox, jobs, leases, access.

SQLAlchemy Core on SQLite (the embedded default), MySQL, MariaDB and TiDB. Modules:
`engine` opens it, `schema` migrates it, `tables` and `access_tables` name it, and `symbols`,
`klines`, `gap_ledger`, `forecast_ledger`, `score_cards`, `outbox`, `jobs` and `leases` read and
write it; `market.access` does so for users, tokens and sessions.
"""

from market.store import access_tables  # the metadata knows every table from the start
from market.store.engine import Store, open_store

__all__ = ["Store", "access_tables", "open_store"]
