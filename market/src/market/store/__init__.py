"""The store: klines, gaps, provenance, the forecast ledger, the outbox and jobs.

SQLAlchemy Core on SQLite (the embedded default), MySQL, MariaDB and TiDB. Modules:
`engine` opens it, `schema` migrates it, `tables` names it, and `symbols`, `klines`,
`gap_ledger`, `forecast_ledger`, `score_cards`, `outbox` and `jobs` read and write it.
"""

from market.store.engine import Store, open_store

__all__ = ["Store", "open_store"]
