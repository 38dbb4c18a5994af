"""A key that may do more than read is refused."""

from __future__ import annotations

import pytest

from market.errors import SettingsError
from populate_base.api_key import account_host, check_permissions

READING = {
    "ipRestrict": True,
    "createTime": 1698645219000,
    "enableReading": True,
    "enableSpotAndMarginTrading": False,
    "enableWithdrawals": False,
}


def test_a_key_that_reads_is_taken() -> None:
    check_permissions(READING)


@pytest.mark.parametrize(
    "name",
    [
        "enableSpotAndMarginTrading",
        "enableWithdrawals",
        "enableInternalTransfer",
        "permitsUniversalTransfer",
        "enableFutures",
        "enableSomethingNew",
    ],
)
def test_a_key_that_may_do_more_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        check_permissions(READING | {name: True})

    assert caught.value.detail.startswith("KLINECAST_BINANCE_API_KEY was '(hidden)'; expected")


def test_permissions_are_asked_where_accounts_are() -> None:
    market_data = "https://data-api.binance.vision"

    assert account_host([market_data, "https://api1.binance.com"]) == "https://api1.binance.com"
    assert account_host([market_data]) == "https://api.binance.com"
    assert account_host(["http://127.0.0.1:8010"]) == "http://127.0.0.1:8010"
