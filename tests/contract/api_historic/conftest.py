"""The engines whose answers are compared with Binance's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from market.store import Store
from support.databases import fresh_database
from support.history_api import new_store


@pytest.fixture(scope="module", params=["sqlite", "mysql", "mariadb"])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """An empty store on each engine."""
    if request.param == "sqlite":
        yield new_store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.db'}")
        return
    with fresh_database(request.getfixturevalue(f"{request.param}_server")) as url:
        yield new_store(url)
