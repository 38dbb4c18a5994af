"""The page where not all is well: empty, wrong, away, stale, demo, without skill."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Page, expect

from market.interval import HOUR_MS, Interval
from market.store import Store
from market.store.forecast_ledger import append_forecast
from support.ports import free_port
from support.seed import (
    NOW_MS,
    make_forecast,
    make_score_card,
    open_seeded,
    seed_forecast,
    seed_klines,
)

Open = Callable[..., Any]
Run = Callable[..., Any]

#: Each test has a symbol of its own in one store: starting servers is what takes time.
_SYMBOLS = ("EMPTYUSDT", "FOLLOWUSDT", "NOSKILLUSDT", "OLDUSDT")


class Site(NamedTuple):
    """A page and the store behind it, which tests may add to."""

    url: str
    store: Store

    def address(self, symbol: str) -> str:
        """Return the address of a symbol's view."""
        return f"{self.url}/#/market/{symbol}/1h"


@pytest.fixture(scope="module")
def site(
    exchange: str, run_history: Run, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    store_url = f"sqlite:///{tmp_path_factory.mktemp('states') / 'store.db'}"
    store = open_seeded(store_url, _SYMBOLS)
    with run_history(store_url, exchange) as url:
        yield Site(url, store)
    store.close()


def _headline(page: Page) -> Any:
    return page.get_by_role("heading", level=1)


def _look(page: Page) -> None:
    """Make the page look at once, as it does when its tab is shown again."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def _seed(
    store: Store,
    symbol: str,
    *,
    now_ms: int = NOW_MS,
    state: str = "fresh",
    **card_changes: Any,
) -> None:
    klines = seed_klines(store, symbol, Interval.H1, now_ms=now_ms, sample="BTCUSDT")
    forecast = make_forecast(symbol, Interval.H1, klines, state=state)
    seed_forecast(store, forecast, [make_score_card(forecast, 24, **card_changes)])


def test_empty_series_fills_by_itself_up_to_its_forecast(site: Site, open_page: Open) -> None:
    page = open_page(site.address("EMPTYUSDT")).page
    expect(page.get_by_role("heading", name="No klines of EMPTYUSDT 1h yet")).to_be_visible()
    expect(page.locator("#panel-detail")).to_contain_text("fills by itself")
    expect(page.locator("#chart")).to_be_hidden()

    klines = seed_klines(site.store, "EMPTYUSDT", Interval.H1, sample="BTCUSDT")
    _look(page)
    expect(_headline(page)).to_have_text("EMPTYUSDT: last close 65,690.63, +0.78 % in 24 h.")
    expect(page.locator("#waiting")).to_contain_text("No forecast yet: training runs")
    expect(page.get_by_role("slider", name="Horizon")).to_be_hidden()

    seed_forecast(site.store, make_forecast("EMPTYUSDT", Interval.H1, klines))
    _look(page)
    expect(_headline(page)).to_contain_text("next 24 h: 80 % range")
    expect(page.locator("#skill-pill")).to_have_text("not measured")
    expect(page.locator("#horizon-hint")).to_contain_text("was not measured yet")
    expect(page.get_by_role("slider", name="Horizon")).to_have_attribute("style", "--skilled: 0;")
    expect(page.locator("#waiting")).to_be_hidden()


def test_new_kline_and_forecast_appear_without_a_reload(site: Site, open_page: Open) -> None:
    _seed(site.store, "FOLLOWUSDT", now_ms=NOW_MS - HOUR_MS)
    page = open_page(site.address("FOLLOWUSDT")).page
    expect(page.locator("#provenance")).to_contain_text("made 08:00:03")

    klines = seed_klines(site.store, "FOLLOWUSDT", Interval.H1, sample="BTCUSDT")
    append_forecast(site.store, make_forecast("FOLLOWUSDT", Interval.H1, klines))
    _look(page)

    expect(page.locator("#provenance")).to_contain_text("made 09:00:03")
    expect(page.locator("#eyebrow")).to_contain_text("last close 65,690.63")


def test_old_data_are_called_stale(site: Site, open_page: Open) -> None:
    _seed(site.store, "OLDUSDT", now_ms=NOW_MS - 9 * HOUR_MS, state="expired")
    page = open_page(site.address("OLDUSDT")).page

    expect(page.locator("#freshness")).to_have_attribute("data-level", "stale")
    expect(page.locator("#freshness-text")).to_contain_text("stale, newest kline closed 9 h")
    warnings = page.locator("#warnings li")
    expect(warnings.first).to_contain_text("newest kline closed at Thu 20 Jun 2024 00:00 UTC")
    expect(warnings.last).to_contain_text("The forecast has expired")


def test_model_without_skill_says_so_by_rule(site: Site, open_page: Open) -> None:
    _seed(site.store, "NOSKILLUSDT", verdict="none", skill_ewma=-0.012, p_ewma=0.93)
    page = open_page(site.address("NOSKILLUSDT")).page

    expect(page.locator("#skill-pill")).to_have_text("no skill")
    expect(page.locator("#skill-text")).to_have_text(
        "No skill over naive: ranges 1.2 % less sharp than a random walk with EWMA volatility"
        " (n = 8,700, p = 0.93)."
    )
    expect(page.locator("#horizon-hint")).to_contain_text("at no horizon")


def test_unknown_symbol_is_explained_and_can_be_left(market_url: str, open_page: Open) -> None:
    page = open_page(f"{market_url}/#/market/NOSUCH/1h").page
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("NOSUCH is not known here.")
    expect(alert).to_contain_text("KLINECAST_SYMBOLS")
    expect(page.locator("#chart")).to_be_hidden()

    page.get_by_label("Symbol", exact=True).select_option("ETHUSDT")

    expect(_headline(page)).to_contain_text("ETHUSDT, next 24 h")
    expect(page.locator("#panel")).to_be_hidden()


def test_refused_request_shows_its_id_and_a_retry(market_url: str, open_page: Open) -> None:
    page = open_page(f"{market_url}/#/market/BTCUSDT/7m").page
    alert = page.get_by_role("alert")

    expect(alert).to_contain_text("BTCUSDT 7m can't be shown")
    expect(alert).to_contain_text("interval was '7m'; expected one of")
    expect(alert).to_contain_text("request id ")
    with page.expect_response("**/v1/status"):
        alert.get_by_role("button", name="Try again").click()
    expect(alert).to_contain_text("interval was '7m'")
    expect(page.locator("#warnings")).to_be_hidden()


def test_text_in_the_address_stays_text(market_url: str, open_page: Open) -> None:
    page = open_page(f"{market_url}/#/market/%3Cimg%20src%3Dx%3E/1h").page

    expect(page.get_by_role("alert")).to_contain_text("<IMG SRC=X> is not known here.")
    assert page.locator("#panel img").count() == 0


def test_page_is_loading_in_words_and_shape_until_the_first_answer(
    market_url: str, open_page: Open
) -> None:
    page = open_page("about:blank").page
    waiting: list[Any] = []
    page.route("**/v1/status", lambda route: waiting.append(route))
    page.goto(f"{market_url}/")

    expect(_headline(page)).to_have_text("Loading the market")
    expect(page.locator("#skeleton")).to_be_visible()
    expect(page.locator("#market")).to_have_attribute("aria-busy", "true")
    page.wait_for_timeout(100)
    for route in waiting:
        route.continue_()
    expect(page.locator("#skeleton")).to_be_hidden()
    expect(page.locator("#market")).to_have_attribute("aria-busy", "false")


def test_module_that_did_not_arrive_is_asked_for_again(market_url: str, open_page: Open) -> None:
    page = open_page("about:blank").page
    lost: list[Any] = []

    def lose_once(route: Any) -> None:
        if lost:
            route.continue_()
        else:
            lost.append(route.abort())

    page.route("**/js/view.js", lambda route: lose_once(route))
    page.goto(f"{market_url}/")

    expect(_headline(page)).to_contain_text("80 % range")
    assert len(lost) == 1


def test_page_that_never_arrives_whole_says_so(market_url: str, open_page: Open) -> None:
    page = open_page("about:blank").page
    page.route("**/js/view.js", lambda route: route.abort())
    page.goto(f"{market_url}/")

    expect(_headline(page)).to_have_text(
        "A part of this page did not load. Reload it.", timeout=15_000
    )


def test_api_that_goes_away_is_told_and_the_data_stay(
    tmp_path: Path, exchange: str, run_history: Run, open_page: Open
) -> None:
    store_url = f"sqlite:///{tmp_path / 'store.db'}"
    store = open_seeded(store_url)
    _seed(store, "BTCUSDT")
    store.close()
    port = free_port()
    with run_history(store_url, exchange, port=port) as url:
        page = open_page(f"{url}/").page
        expect(_headline(page)).to_contain_text("80 % range")

    _look(page)
    expect(page.locator("#warnings")).to_contain_text("The history API does not answer.")
    expect(page.locator("#warnings")).to_contain_text("data to Thu 20 Jun 2024 09:00 UTC")
    expect(_headline(page)).to_contain_text("80 % range")

    with run_history(store_url, exchange, port=port):
        _look(page)
        expect(page.locator("#warnings")).to_be_hidden()


def test_demo_is_announced_with_its_real_speed(
    tmp_path: Path, run_exchange: Run, run_history: Run, open_page: Open
) -> None:
    store_url = f"sqlite:///{tmp_path / 'store.db'}"
    open_seeded(store_url, symbols=()).close()
    with run_exchange(speed=60) as exchange, run_history(store_url, exchange, demo=True) as url:
        page = open_page(f"{url}/").page

        expect(page.get_by_role("heading", name="No symbols yet")).to_be_visible()
        expect(page.locator("#demo")).to_have_text(
            "DEMO: recorded klines of 2024 replayed 60 times as fast"
        )
        before = page.locator("#clock").text_content()
        expect(page.locator("#clock")).not_to_have_text(before or "")


def test_ended_demo_tells_how_to_see_it_again(
    tmp_path: Path, run_exchange: Run, run_history: Run, open_page: Open
) -> None:
    store_url = f"sqlite:///{tmp_path / 'store.db'}"
    open_seeded(store_url, symbols=()).close()
    with run_exchange(speed=0) as exchange, run_history(store_url, exchange, demo=True) as url:
        page = open_page(f"{url}/").page

        expect(page.locator("#demo")).to_contain_text(
            "DEMO ended: the recorded klines stop at 20 Jun 2024 09:12 UTC."
        )
        expect(page.locator("#demo")).to_contain_text("sh setup.sh reset")
