"""The store: klines, gaps, provenance, the forecast ledger, the outbox, jobs and leases.

SQLAlchemy Core on SQLite (the embedded default), MySQL, MariaDB and TiDB. Modules:
`engine` opens it, `schema` migrates it, `tables` names it, and `symbols`, `klines`,
`gap_ledger`, `forecast_ledger`, `score_cards`, `outbox`, `jobs` and `leases` read and write it.
"""

from market.store.engine import Store, open_store

__all__ = ["Store", "open_store"]
