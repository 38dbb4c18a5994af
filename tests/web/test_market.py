"""The Market view over a store that holds everything it shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

Open = Callable[..., Any]

#: How many pixels of the chart's canvases have a colour close to each of some.
_COUNT_COLOURS = """
(colours) => {
  const counts = colours.map(() => 0);
  for (const canvas of document.querySelectorAll("#chart canvas")) {
    if (canvas.width === 0 || canvas.height === 0) continue;
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4) {
      colours.forEach((colour, index) => {
        const distance = Math.max(...colour.map((c, j) => Math.abs(c - data[i + j])));
        if (data[i + 3] === 255 && distance <= 6) counts[index] += 1;
      });
    }
  }
  return counts;
}
"""
_UP, _DOWN = [42, 111, 219], [184, 86, 15]
#: The accent over the surface, as the widest and the narrowest band lay it.
_BAND_95, _BAND_50 = [226, 234, 249], [159, 185, 235]


def _headline(page: Page) -> Any:
    return page.get_by_role("heading", level=1)


@pytest.fixture
def page(market_url: str, open_page: Open) -> Page:
    page = open_page(f"{market_url}/").page
    expect(_headline(page)).to_contain_text("80 % range")
    return page


def test_page_loads_without_complaints_of_console_or_policy(
    market_url: str, open_page: Open
) -> None:
    visit = open_page(f"{market_url}/")
    expect(_headline(visit.page)).to_contain_text("80 % range")
    visit.page.wait_for_timeout(300)

    assert visit.complaints == []


def test_headline_tells_range_direction_and_skill(page: Page) -> None:
    expect(_headline(page)).to_have_text("BTCUSDT, next 24 h: 80 % range −2.6 % to +2.7 %.")
    expect(page.locator("#prices")).to_have_text("63,971.25 to 67,456.23 USDT, median 65,690.63.")
    expect(page.locator("#direction")).to_have_text(
        "Direction: coin flip (50.6 % right, 95 % interval 47.0 % to 54.2 %, n = 362)."
    )
    expect(page.locator("#skill-text")).to_have_text(
        "Ranges 2.1 % sharper than a random walk with EWMA volatility (n = 8,700, p < 0.01)."
    )
    expect(page.locator("#skill-pill")).to_have_text("skill")
    expect(page.locator("#eyebrow")).to_contain_text("champion ridge regression")


def test_facts_tell_when_the_forecast_was_made_and_that_it_is_no_advice(page: Page) -> None:
    facts = page.locator("#provenance")
    expect(facts).to_contain_text("Forecast made 09:00:03 from data to 08:59:59 UTC")
    expect(facts).to_contain_text("state fresh")
    expect(facts).to_contain_text("direction: coin flip")
    expect(page.locator("#signal")).to_have_text(
        "Signal: HOLD. No direction was proven: holding costs no fees. Not financial advice."
    )


def test_header_tells_the_exchange_clock_and_how_fresh_the_data_are(page: Page) -> None:
    expect(page.locator("#clock")).to_have_text(re.compile(r"20 Jun 2024 09:1\d:\d\d UTC"))
    expect(page.locator("#freshness-text")).to_have_text(
        re.compile(r"live, newest kline closed 1\d min ago")
    )
    expect(page.locator("#freshness")).to_have_attribute("data-level", "live")
    expect(page.locator("#demo")).to_be_hidden()


def test_chart_shows_candles_and_a_filled_fan(page: Page) -> None:
    # Drawn in the frame after the data came.
    page.wait_for_timeout(300)

    up, down, band_95, band_50 = page.evaluate(_COUNT_COLOURS, [_UP, _DOWN, _BAND_95, _BAND_50])

    assert up > 500
    assert down > 500
    assert band_95 > 5_000
    assert band_50 > 5_000


def test_table_twin_holds_the_last_fifty_klines_with_every_digit(
    page: Page, market_url: str
) -> None:
    query = {"symbol": "BTCUSDT", "interval": "1h", "limit": 50}
    rows = httpx.get(f"{market_url}/api/v3/klines", params=query).json()

    page.get_by_role("button", name="Show as table").click()

    body = page.locator("#klines-table tbody tr")
    expect(body).to_have_count(50)
    shown = [row.locator("td").all_text_contents() for row in (body.first, body.last)]
    assert shown == [[*rows[i][1:6], str(rows[i][8])] for i in (-1, 0)]
    expect(page.locator("#chart")).to_be_hidden()
    expect(page.locator("#steps-table tbody tr")).to_have_count(24)
    expect(page.locator("#steps-table tbody tr").last).to_contain_text("2024-06-21 09:00:00")


def test_slider_moves_headline_time_and_address(page: Page) -> None:
    slider = page.get_by_role("slider", name="Horizon")

    slider.fill("6")

    expect(_headline(page)).to_contain_text("next 6 h: 80 % range −1.3 % to +1.3 %")
    expect(page.locator("#horizon-text")).to_have_text("6 h, until Thu 15:00 UTC")
    expect(slider).to_have_attribute("aria-valuetext", "6 h, until Thu 15:00 UTC")
    assert page.url.endswith("#/market/BTCUSDT/1h?h=6")


def test_slider_tells_where_skill_ends(page: Page) -> None:
    expect(page.locator("#horizon-hint")).to_contain_text("beyond 24 h")

    page.get_by_role("slider", name="Horizon").fill("50")

    expect(page.locator("#skill-pill")).to_have_text("no skill")
    expect(page.locator("#skill-text")).to_contain_text("No skill over naive: ranges 0.4 % less")


def test_horizon_between_two_measured_steps_names_the_one_it_quotes(page: Page) -> None:
    page.get_by_role("slider", name="Horizon").fill("20")

    expect(page.locator("#skill-text")).to_contain_text("(at 24 h, n = 8,700")


def test_arrows_move_the_horizon_and_slash_goes_to_the_symbols(page: Page) -> None:
    page.keyboard.press("ArrowRight")
    expect(page.locator("#horizon-text")).to_contain_text("25 h")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#horizon-text")).to_contain_text("23 h")

    page.keyboard.press("/")

    expect(page.get_by_label("Symbol", exact=True)).to_be_focused()


def test_arrows_scroll_a_table_that_has_the_focus(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    page.get_by_role("button", name="Show as table").click()
    frame = page.locator(".table-frame").first
    frame.focus()

    for _ in range(3):
        page.keyboard.press("ArrowRight")

    page.wait_for_function("document.querySelector('.table-frame').scrollLeft > 0")
    expect(page.locator("#horizon-text")).to_contain_text("24 h")


def test_focused_slider_moves_by_one_step_an_arrow(page: Page) -> None:
    page.get_by_role("slider", name="Horizon").focus()

    page.keyboard.press("ArrowRight")

    expect(page.locator("#horizon-text")).to_contain_text("25 h")


def test_pickers_change_series_and_history_goes_back_and_forward(page: Page) -> None:
    symbol, interval = page.get_by_label("Symbol", exact=True), page.get_by_label("Interval")
    assert symbol.locator("option").all_text_contents() == ["BTCUSDT", "ETHUSDT"]
    assert interval.locator("option").all_text_contents() == ["1h", "1d"]

    symbol.select_option("ETHUSDT")
    expect(_headline(page)).to_contain_text("ETHUSDT, next 24 h")
    interval.select_option("1d")
    expect(_headline(page)).to_contain_text("ETHUSDT, next 24 days")
    assert page.url.endswith("#/market/ETHUSDT/1d?h=24")
    expect(page.locator("#horizon-text")).to_have_text("24 days, until 14 Jul 2024 00:00 UTC")

    page.go_back()
    expect(_headline(page)).to_contain_text("ETHUSDT, next 24 h")
    page.go_back()
    expect(_headline(page)).to_contain_text("BTCUSDT, next 24 h")
    page.go_forward()
    expect(_headline(page)).to_contain_text("ETHUSDT, next 24 h")
    expect(symbol).to_have_value("ETHUSDT")


def test_address_opens_the_view_it_names(market_url: str, open_page: Open) -> None:
    page = open_page(f"{market_url}/#/market/ETHUSDT/1d?h=7").page

    expect(_headline(page)).to_contain_text("ETHUSDT, next 7 days")
    expect(page.get_by_role("slider", name="Horizon")).to_have_value("7")


def test_hover_tells_all_digits_and_the_local_time(market_url: str, open_page: Open) -> None:
    page = open_page(f"{market_url}/", timezone_id="Europe/Berlin").page
    reading = page.locator("#reading")
    expect(reading).to_contain_text("Thu 20 Jun 2024 08:00 UTC (10:00 CEST)")
    expect(reading).to_contain_text("C 65,690.63")
    box = page.locator("#chart").bounding_box()

    page.mouse.move(box["x"] + 12, box["y"] + 100)
    expect(reading).to_contain_text("Tue 18 Jun 2024 07:00 UTC (09:00 CEST)")
    page.mouse.move(box["x"] + box["width"] * 0.85, box["y"] + 100)
    expect(reading).to_contain_text("ahead")
    expect(reading).to_contain_text("95 %")


def test_look_without_news_leaves_the_page_alone(page: Page) -> None:
    page.get_by_role("button", name="Show as table").click()
    row = page.locator("#klines-table tbody tr").first.element_handle()

    for _ in range(2):
        with page.expect_response(re.compile("model=random_walk")):
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(100)

    assert row.evaluate("node => node.isConnected")


def test_theme_follows_the_system_until_the_reader_chooses(
    market_url: str, open_page: Open
) -> None:
    page = open_page(f"{market_url}/", color_scheme="dark").page
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(ground)

    page.get_by_role("button", name="Switch to the light theme").click()
    light = page.evaluate(ground)
    page.reload()

    assert dark == "rgb(12, 15, 20)"
    assert light == "rgb(244, 246, 249)"
    assert page.evaluate(ground) == light
    expect(page.get_by_role("button", name="Switch to the dark theme")).to_be_visible()


@pytest.mark.parametrize("system", ["dark", "light"])
def test_theme_reaches_chart_and_controls(market_url: str, open_page: Open, system: str) -> None:
    page = open_page(f"{market_url}/", color_scheme=system).page
    expect(_headline(page)).to_contain_text("80 % range")
    if system == "light":
        page.get_by_role("button", name="Switch to the dark theme").click()
    page.wait_for_timeout(300)

    (surface,) = page.evaluate(_COUNT_COLOURS, [[18, 22, 29]])
    select = page.evaluate("getComputedStyle(document.querySelector('select')).colorScheme")

    assert surface > 100_000
    assert select == ("light dark" if system == "dark" else "dark")


def test_page_fits_the_width_of_every_screen(page: Page) -> None:
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    screens = [(360, 740), (768, 1024), (1920, 1080), (3840, 2160)]
    button = page.locator("#as-table")

    found = []
    for width, height in screens:
        page.set_viewport_size({"width": width, "height": height})
        as_one = page.evaluate(overflow)
        button.click()
        found.append((width, as_one, page.evaluate(overflow)))

    assert found == [(width, 0, 0) for width, _ in screens]


def test_controls_have_names_and_the_chart_says_the_headline(page: Page) -> None:
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, a[href]")]
            .filter((node) => node.checkVisibility())
            .filter((node) => !(node.getAttribute("aria-label") ?? "").trim()
                && !node.textContent.trim() && !(node.labels?.length > 0))
            .map((node) => node.outerHTML)"""
    )
    headline = _headline(page).text_content()

    assert nameless == []
    expect(page.get_by_role("img", name=headline)).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert page.title() == f"{headline} Klinecast"


def test_everything_is_reached_by_tab(page: Page) -> None:
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))

    assert {"symbol", "interval", "theme", "horizon", "as-table", "link-scores"} <= set(reached)


def test_rows_behind_the_numbers_are_linked(page: Page, market_url: str) -> None:
    for name in ("klines", "forecast", "scores"):
        address = page.get_by_role("link", name=name, exact=True).get_attribute("href")
        answer = httpx.get(f"{market_url}/{address}")
        assert answer.status_code == 200
        assert "BTCUSDT" in answer.text


def test_licence_notice_of_the_chart_is_linked(page: Page, market_url: str) -> None:
    expect(page.get_by_role("link", name="TradingView")).to_have_attribute(
        "href", "https://www.tradingview.com/"
    )
    address = page.get_by_role("link", name="notice").get_attribute("href")

    assert "TradingView, Inc." in httpx.get(f"{market_url}/{address}").text
