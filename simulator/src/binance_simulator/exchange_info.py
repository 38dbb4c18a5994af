"""What `exchangeInfo` tells about the exchange and about each symbol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import orjson

from binance_simulator import rejections
from binance_simulator.limits import Limits
from market.kline import Kline

#: Currencies prices are quoted in, so that BTCUSDT reads as BTC in USDT; longest first.
_QUOTES = (
    "FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USDP", "BIDR", "IDRT", "BVND", "AEUR", "EURI",
    "PAX", "DAI", "UST", "TRY", "EUR", "GBP", "AUD", "BRL", "RUB", "UAH", "NGN", "ZAR", "PLN",
    "RON", "ARS", "JPY", "MXN", "CZK", "COP", "VAI", "XRP", "TRX", "BTC", "ETH", "BNB", "DOGE",
    "DOT", "SOL", "USD",
)  # fmt: skip
_PERMISSIONS = ("SPOT", "MARGIN")
#: What `permissions` may name; a symbol with none of them is not listed.
_KNOWN_PERMISSIONS = {"SPOT", "MARGIN", "LEVERAGED"} | {
    f"TRD_GRP_{number:03d}" for number in range(2, 300)
}
_STATUSES = ("TRADING", "HALT", "BREAK")
_UNIT = 10**8


def build_rate_limits(limits: Limits) -> list[dict[str, object]]:
    """Return the limits; the simulator enforces the first and the last."""
    return [
        _rate_limit("REQUEST_WEIGHT", "MINUTE", 1, limits.weight),
        _rate_limit("ORDERS", "SECOND", 10, 100),
        _rate_limit("ORDERS", "DAY", 1, 200_000),
        _rate_limit("RAW_REQUESTS", "MINUTE", 5, limits.raw_requests),
    ]


def _rate_limit(kind: str, interval: str, number: int, limit: int) -> dict[str, object]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def is_wanted(sent: Mapping[str, str], status: str) -> bool:
    """Tell whether a spot symbol of a status passes the filters `permissions`, `symbolStatus`.

    Raises:
        Rejection: a filter's value is not one Binance knows.
    """
    wanted_status = sent.get("symbolStatus", status)
    if wanted_status not in _STATUSES:
        raise rejections.invalid_value("symbolStatus")
    wanted = _read_permissions(sent.get("permissions"))
    return status == wanted_status and bool(wanted & set(_PERMISSIONS))


def _read_permissions(text: str | None) -> set[str]:
    if text is None:
        return set(_PERMISSIONS)
    try:
        names = orjson.loads(text) if text.startswith("[") else [text]
        wanted = set(names)
    except (orjson.JSONDecodeError, TypeError):
        raise rejections.invalid_value("permissions") from None
    if not wanted or not wanted <= _KNOWN_PERMISSIONS:
        raise rejections.invalid_value("permissions")
    return wanted


def split_symbol(symbol: str) -> tuple[str, str]:
    """Return base and quote currency: BTC and USDT of BTCUSDT."""
    for quote in _QUOTES:
        if symbol.endswith(quote) and symbol != quote:
            return symbol.removesuffix(quote), quote
    middle = len(symbol) - len(symbol) // 2
    return symbol[:middle], symbol[middle:]


def find_step(amounts: Iterable[str]) -> str:
    """Return the smallest power of ten, at most 1, that divides all amounts: 0.01000000."""
    step = _UNIT
    for amount in amounts:
        whole, _, fraction = amount.partition(".")
        units = int(whole + fraction.ljust(8, "0")[:8])
        while units % step:
            step //= 10
    return f"{step // _UNIT}.{step % _UNIT:08d}"


def build_symbol(symbol: str, klines: Sequence[Kline]) -> dict[str, object]:
    """Return a symbol's entry; its steps are those its prices and volumes were seen to keep."""
    base, quote = split_symbol(symbol)
    tick = find_step(price for kline in klines for price in kline[1:5])
    step = find_step(kline.volume for kline in klines)
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": [
            "LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT",
            "TAKE_PROFIT_LIMIT",
        ],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "amendAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": True,
        "filters": _build_filters(tick, step),
        "permissions": [],
        "permissionSets": [list(_PERMISSIONS)],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }  # fmt: skip


def _build_filters(tick: str, step: str) -> list[dict[str, object]]:
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": tick,
            "maxPrice": "1000000.00000000",
            "tickSize": tick,
        },
        {
            "filterType": "LOT_SIZE",
            "minQty": step,
            "maxQty": "9000000.00000000",
            "stepSize": step,
        },
        {"filterType": "ICEBERG_PARTS", "limit": 10},
        {
            "filterType": "MARKET_LOT_SIZE",
            "minQty": "0.00000000",
            "maxQty": "9000000.00000000",
            "stepSize": "0.00000000",
        },
        {
            "filterType": "TRAILING_DELTA",
            "minTrailingAboveDelta": 10,
            "maxTrailingAboveDelta": 2000,
            "minTrailingBelowDelta": 10,
            "maxTrailingBelowDelta": 2000,
        },
        {
            "filterType": "PERCENT_PRICE_BY_SIDE",
            "bidMultiplierUp": "5",
            "bidMultiplierDown": "0.2",
            "askMultiplierUp": "5",
            "askMultiplierDown": "0.2",
            "avgPriceMins": 5,
        },
        {
            "filterType": "NOTIONAL",
            "minNotional": "5.00000000",
            "applyMinToMarket": True,
            "maxNotional": "9000000.00000000",
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": 5},
    ]
