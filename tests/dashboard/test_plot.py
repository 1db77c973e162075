import subprocess
import sys

import numpy as np
import pytest

from cryptodask.charts import style as style_module
from cryptodask.dashboard import history
from cryptodask.dashboard.history import ALL_DAYS
from cryptodask.dashboard.plot import forecast_figure, save_plot
from cryptodask.dashboard.view import build_view
from cryptodask.errors import OptionError, UnknownCoinError

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "<!--<script>",
    '"><img src=x onerror=alert(3)>',
    "$$\\alpha$$",
    "\\(x\\) {{ 7 * 7 }} {% raw %}",
    "@close{safe} $index",
    "\"quotes' & &amp;",
    " two\nlines ",
    "",
]
HOSTILE_MODELS = ["<img src=x onerror=alert(4)>", "@date{safe}", "$$m_1$$", "close"]

DRAWN = """() => {
  const model = (name) => Bokeh.documents[0].get_model_by_name(name)
  const plain = ({data}) => Object.fromEntries(
    Object.entries(data).map(([name, column]) => [name, Array.from(column)]))
  return {history: plain(model("history")), ahead: plain(model("ahead")),
          caption: model("caption").text, cutoff: model("cutoff").location}
}"""


def choose(page, coin):
    page.evaluate("(coin) => {Bokeh.documents[0].get_model_by_name('coin').value = coin}", coin)


def assert_heading(page, coin):
    """The heading is this name, once the page had time to draw it."""
    from playwright.sync_api import expect

    heading = page.locator(".heading .bk-clearfix")
    expect(heading).to_have_text(coin)
    assert heading.text_content() == coin


AT = """(moment) => {
  const figure = Bokeh.documents[0].get_model_by_name("figure")
  return Bokeh.index.find_one(figure).frame.x_scale.compute(Date.parse(moment))
}"""


def tooltip(page, date, label):
    """Point at a day; rows of the tooltip that has such a row, once it is there."""
    box = page.locator(".bk-Figure").bounding_box()
    page.mouse.move(box["x"] + page.evaluate(AT, date), box["y"] + 200)
    row = page.locator(".bk-tooltip-row-label:visible", has_text=label)
    row.wait_for()
    labels = page.locator(".bk-tooltip-row-label:visible").all_text_contents()
    values = page.locator(".bk-tooltip-row-value:visible").all_text_contents()
    return {
        label.removesuffix(": "): value.strip() for label, value in zip(labels, values, strict=True)
    }


def assert_drawn(page, view, coin):
    """What the browser draws of a coin is what the view holds of it."""
    assert_heading(page, coin)
    i, drawn = view.position(coin), page.evaluate(DRAWN)
    assert drawn["caption"] == view.captions[i]
    assert drawn["cutoff"] == view.cutoffs[i]
    for name, pack in (("history", view.history), ("ahead", view.ahead)):
        columns = pack.of(i)
        assert set(drawn[name]) == set(columns)
        for key, column in columns.items():
            np.testing.assert_array_equal(np.array(drawn[name][key], float), column)


@pytest.mark.slow
def test_the_page_draws_any_coin_that_is_chosen(tmp_path, make_tables, open_page):
    coins = [f"coin-{i:03}" for i in range(120)]
    prices, forecasts = make_tables(coins, ["linear", "lstm", "naive"], levels=("80", "95"))
    forecasts = forecasts[(forecasts["coin"] != "coin-007") | (forecasts["model"] == "naive")]
    prices = prices[prices["coin"] != "coin-000"]
    target = tmp_path / "plot.html"
    save_plot(target, prices, forecasts, coin="coin-005")
    page, view = open_page(target), build_view(prices, forecasts)
    page.get_by_role("button", name="all").click()
    assert page.title() == "CryptoDask forecasts: 120 coins · 3 models"
    assert_drawn(page, view, "coin-005")
    for coin in ("coin-119", "coin-007", "coin-000"):
        choose(page, coin)
        assert_drawn(page, view, coin)
        assert page.get_by_label("Coin").input_value() == coin


@pytest.mark.slow
def test_a_coin_is_found_by_part_of_its_name_and_by_leafing(tmp_path, make_tables, open_page):
    target = tmp_path / "plot.html"
    save_plot(target, *make_tables(["arbitrum", "bitcoin", "bitcoin-cash", "ethereum", "wbit"]))
    page = open_page(target)
    options = page.get_by_label("Coin").locator("option")
    page.get_by_label("Find").press_sequentially("BIT")
    assert options.all_inner_texts() == ["bitcoin", "bitcoin-cash", "arbitrum", "wbit"]
    assert_heading(page, "bitcoin")
    page.get_by_role("button", name="Next ›").click()
    assert_heading(page, "bitcoin-cash")
    page.get_by_label("Find").fill("no such coin")
    assert options.count() == 0
    assert_heading(page, "bitcoin-cash")
    page.get_by_label("Find").fill("")
    assert options.count() == 5
    page.get_by_label("Coin").select_option("arbitrum")
    page.get_by_role("button", name="‹ Prev").click()
    assert_heading(page, "wbit")


@pytest.mark.slow
def test_fewer_days_and_a_hidden_model(tmp_path, make_tables, open_page):
    tables = make_tables(["ada", "bnb"])
    target = tmp_path / "plot.html"
    save_plot(target, *tables)
    page = open_page(target)
    page.get_by_role("button", name="30 days").click()
    choose(page, "bnb")
    assert_drawn(page, build_view(*tables, history_days=30), "bnb")
    page.get_by_role("button", name="all").click()
    choose(page, "ada")
    assert_drawn(page, build_view(*tables), "ada")

    drawn = """() => Bokeh.documents[0].get_model_by_name("figure").renderers
        .filter((r) => r.visible && r.glyph.y?.field == "forecast_0").length"""
    assert page.evaluate(drawn) == 2  # the line and its dots
    page.locator(".bk-Legend .bk-item", has_text="linear").click()
    assert page.evaluate(drawn) == 0


@pytest.mark.slow
def test_another_coin_is_shown_whole_though_the_last_was_zoomed(tmp_path, make_tables, open_page):
    target = tmp_path / "plot.html"
    save_plot(target, *make_tables(["ada", "bnb"]))
    page = open_page(target)
    box = page.locator(".bk-Figure").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + 500, box["y"] + 300, steps=5)
    page.mouse.up()
    is_reset = """() => {
      const model = (name) => Bokeh.documents[0].get_model_by_name(name)
      const {x_range, y_range} = model("figure")
      const {date, close} = model("history").data
      return x_range.start <= date[0] && x_range.end >= model("ahead").data.date.at(-1)
        && y_range.start <= Math.min(...close) && y_range.end >= Math.max(...close)
    }"""
    page.wait_for_function(f"!({is_reset})()")
    page.get_by_label("Coin").select_option("bnb")
    page.wait_for_function(is_reset)
    assert_heading(page, "bnb")


@pytest.mark.slow
def test_a_model_without_forecast_leaves_the_legend(tmp_path, make_tables, open_page):
    prices, forecasts = make_tables(["ada", "bnb"])
    forecasts = forecasts[(forecasts["coin"] == "bnb") | (forecasts["model"] == "naive")]
    target = tmp_path / "plot.html"
    save_plot(target, prices, forecasts)
    page = open_page(target)
    entry = page.locator(".bk-Legend .bk-item", has_text="linear")
    assert not entry.is_visible()
    page.get_by_label("Coin").select_option("bnb")
    entry.wait_for(state="visible")


@pytest.mark.slow
def test_tooltips_tell_date_and_price_of_every_model(tmp_path, make_tables, open_page):
    prices, forecasts = make_tables(["ada"], ["linear", "naive"], days=10, horizon=5)
    prices["close"] = 4892.01
    forecasts.loc[forecasts["model"] == "linear", "forecast"] = 4892.014
    forecasts.loc[forecasts["model"] == "naive", "forecast"] = 0.0000012
    target = tmp_path / "plot.html"
    save_plot(target, prices, forecasts)
    page = open_page(target)
    assert page.get_by_label("Coin").count() == 0, "there is nothing to choose among one coin"
    shown = tooltip(page, "2026-05-26", "close")
    assert shown == {"date": "2026-05-26", "close": "4,892.01"}
    shown = tooltip(page, "2026-06-04", "naive")
    assert shown == {"date": "2026-06-04", "linear": "4,892.01", "naive": "0.0000012"}


@pytest.mark.slow
def test_hostile_names_are_shown_and_never_run(tmp_path, make_tables, open_page):
    tables = make_tables(HOSTILE, HOSTILE_MODELS, days=10, horizon=5)
    target = tmp_path / "plot.html"
    save_plot(target, *tables, coin=HOSTILE[0])
    page, view = open_page(target), build_view(*tables)
    for coin in HOSTILE:
        choose(page, coin)
        assert_drawn(page, view, coin)
        assert page.get_by_label("Coin").input_value() == coin
    assert set(
        page.get_by_label("Coin").locator("option").evaluate_all("o => o.map(x => x.text)")
    ) == {" ".join(coin.split()) for coin in HOSTILE}
    labels = page.locator(".bk-Legend .bk-label").all_text_contents()
    assert labels == ["close", *view.models]
    assert list(tooltip(page, "2026-06-04", "$$m_1$$")) == ["date", *view.models]


@pytest.mark.slow
def test_a_narrow_window_needs_no_sideways_scrolling(tmp_path, make_tables, open_page):
    target = tmp_path / "plot.html"
    models = [f"model-{i}" for i in range(8)]
    save_plot(target, *make_tables(["a" * 200, "bnb"], models))
    page = open_page(target)
    page.set_viewport_size({"width": 420, "height": 900})
    # Bokeh lays the figure out anew some time after the window has changed.
    page.wait_for_function("document.documentElement.scrollWidth <= 420")
    assert page.locator(".bk-Figure").bounding_box()["width"] > 300


@pytest.mark.slow
def test_intervals_are_those_of_the_model_that_is_chosen(tmp_path, make_tables, open_page):
    tables = make_tables(["ada"], ["linear", "naive", "none"], levels=("80", "95"))
    target = tmp_path / "plot.html"
    save_plot(target, *tables)
    page = open_page(target)
    drawn = """() => Bokeh.documents[0].get_model_by_name("figure").renderers
        .filter((r) => r.visible && r.glyph.type == "VArea").map((r) => r.glyph.y1.field)"""
    legend = page.locator(".bk-Legend .bk-item:visible", has_text="interval")
    assert page.evaluate(drawn) == ["lower_95_0", "lower_80_0"]
    assert legend.all_inner_texts() == ["95% interval", "80% interval"]
    page.get_by_label("Intervals of").select_option(index=2)
    assert page.evaluate(drawn) == ["lower_95_2", "lower_80_2"]
    page.get_by_label("Intervals of").select_option(index=3)
    assert page.evaluate(drawn) == []
    assert legend.count() == 0


@pytest.mark.slow
def test_candles_volume_a_gap_and_a_logarithmic_axis(tmp_path, make_tables, open_page):
    prices, forecasts = make_tables(["ada"])
    prices = prices.drop(range(150, 170))
    closes = prices["close"]
    prices = prices.assign(open=closes * 0.9, high=closes, low=closes * 0.8, volume=1.0)
    target = tmp_path / "plot.html"
    save_plot(target, prices, forecasts)
    page = open_page(target)
    figure = "Bokeh.documents[0].get_model_by_name('figure')"
    shown = f"""() => {figure}.renderers
        .filter((r) => r.visible && ["Segment", "VBar"].includes(r.glyph.type)).length"""
    before = page.evaluate(shown)
    page.get_by_label("Candles").click()
    assert page.evaluate(shown) == before + 3
    kind = f"() => Bokeh.index.find_one({figure}).frame.y_scale.type"
    page.get_by_label("Log scale").click()
    assert page.evaluate(kind) == "LogScale"
    page.wait_for_function("() => Bokeh.documents[0].is_idle")
    ticks = f"""() => {{
        const view = Bokeh.index.find_one({figure}), [axis] = {figure}.left
        return axis.ticker.get_ticks(20, 1500, view.frame.y_range, NaN).major
    }}"""
    assert page.evaluate(ticks) == [20, 50, 100, 200, 500, 1000]
    assert page.evaluate(ticks.replace("20, 1500", "3100, 5200")) == [3500, 4000, 4500, 5000]
    page.get_by_label("Log scale").click()
    assert page.evaluate(kind) == "LinearScale"
    assert page.evaluate("() => Bokeh.documents[0].get_model_by_name('volume') != null")
    closes = page.evaluate(DRAWN)["history"]["close"]
    assert sum(close is None or close != close for close in closes) == 1
    page.get_by_text("Old: as of 2026-05-31").wait_for()


def test_a_page_holds_so_much_of_the_past_and_no_more(make_tables, monkeypatch):
    prices, forecasts = make_tables(["ada", "bnb"], days=200)
    prices = prices.assign(open=1.0, high=1.0, low=1.0, volume=1.0)
    assert set(build_view(prices, forecasts).history.columns) >= {"open", "volume"}
    monkeypatch.setattr(history, "MOST_CELLS", 800)
    view = build_view(prices, forecasts)
    assert (set(view.history.columns), view.history_days) == ({"date", "close"}, ALL_DAYS)
    monkeypatch.setattr(history, "MOST_CELLS", 400)
    view = build_view(prices, forecasts)
    assert view.history_days == 100
    assert len(view.history.columns["close"]) == 200


def test_a_page_of_a_thousand_coins_stays_small(tmp_path, make_tables):
    coins = [f"coin-{i}" for i in range(1000)]
    target = tmp_path / "plot.html"
    save_plot(target, *make_tables(coins, ["linear", "lstm", "naive"]))
    assert target.stat().st_size < 8_000_000


def test_the_layout_is_a_bokeh_model(make_tables):
    from bokeh.models import Column

    layout = forecast_figure(*make_tables(["ada", "bnb"]), "bnb", history_days=20)
    assert isinstance(layout, Column)
    assert layout.select_one({"name": "coin"}).value == "bnb"
    assert len(layout.select_one({"name": "history"}).data["close"]) == 20


def test_nine_models_are_told_apart():
    assert len({style_module.style(model) for model in range(18)}) == 18


def read_png(path):
    from matplotlib.image import imread

    return (imread(path)[:, :, :3] * 255).round().astype(int)


def holds(picture, color):
    wanted = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((np.abs(picture - wanted).max(axis=2) <= 2).any())


def test_a_picture_shows_the_close_and_every_model(tmp_path, make_tables):
    prices, forecasts = make_tables(["ada", "bnb"], levels=("80", "95"))
    save_plot(tmp_path / "plot.PNG", prices, forecasts, coin="bnb")
    picture = read_png(tmp_path / "plot.PNG")
    assert picture.shape == (864, 1600, 3)
    colors = [style_module.INK, *style_module.COLORS]
    assert [holds(picture, color) for color in colors] == [True] * 3 + [False] * 4


@pytest.mark.parametrize("coin", ["$\\frac{$", "$x$", "_hidden", "x" * 400, "a\nb"])
def test_a_picture_takes_any_name(tmp_path, make_tables, coin):
    save_plot(tmp_path / "plot.png", *make_tables([coin], [coin, "close", "_"]))
    assert holds(read_png(tmp_path / "plot.png"), style_module.COLORS[0])


@pytest.mark.parametrize("factor", [1e-14, 1e-8, 1e8])
def test_a_picture_takes_any_price(tmp_path, make_tables, factor):
    prices, forecasts = make_tables(["ada"])
    prices["close"] *= factor
    forecasts["forecast"] *= factor
    save_plot(tmp_path / "plot.png", prices, forecasts)
    assert holds(read_png(tmp_path / "plot.png"), style_module.COLORS[0])


def test_a_picture_of_several_coins_needs_a_name(tmp_path, make_tables):
    with pytest.raises(OptionError, match=r"shows one coin, and the forecasts hold 2: name the"):
        save_plot(tmp_path / "plot.png", *make_tables(["ada", "bnb"]))


def test_what_cannot_be_written_is_refused(tmp_path, make_tables):
    tables = make_tables(["ada"])
    with pytest.raises(OptionError, match=r"suffix is '.pdf', and must be one of .html, .png"):
        save_plot(tmp_path / "plot.pdf", *tables)
    with pytest.raises(OptionError, match="does not exist; create it"):
        save_plot(tmp_path / "nowhere" / "plot.html", *tables)
    with pytest.raises(UnknownCoinError, match=r"no forecast of coin 'adda'.*'ada'"):
        save_plot(tmp_path / "plot.html", *tables, coin="adda")
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_whole_or_left_alone(tmp_path, make_tables):
    tables = make_tables(["ada"])
    target = tmp_path / "plot.html"
    target.write_text("old")
    with pytest.raises(UnknownCoinError):
        save_plot(target, *tables, coin="bnb")
    assert target.read_text() == "old"
    save_plot(target, *tables)
    assert target.read_text(encoding="utf-8").rstrip().endswith("</html>")
    folder = tmp_path / "folder.png"
    folder.mkdir()
    with pytest.raises(OptionError, match=r"folder\.png.*is a folder"):
        save_plot(folder, *tables)
    assert set(tmp_path.iterdir()) == {target, folder}


def test_drawing_libraries_are_imported_only_to_draw():
    code = """
import sys
import cryptodask.dashboard.plot
assert not {"bokeh", "matplotlib"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
