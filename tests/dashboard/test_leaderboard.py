"""The page of a leaderboard in a real browser: what it shows, and that names are never run."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cryptodask import CryptoLoader
from cryptodask.dashboard.leaderboard import save_leaderboard
from cryptodask.dashboard.leaderboard_view import build_leaderboard
from cryptodask.errors import OptionError
from cryptodask.evaluate.backtest import backtest_panel
from cryptodask.evaluate.coverage import FEWEST, rejected
from cryptodask.evaluate.reliability import pit_histogram
from cryptodask.evaluate.rolling import choose_origins
from cryptodask.evaluate.rows import BOUNDS
from cryptodask.models import create_model
from cryptodask.prices.panels import to_panel
from cryptodask.records import DAY
from cryptodask.results import Backtest
from tests.dashboard.test_leaderboard_view import of
from tests.evaluate.tables import make_backtest

HOSTILE = [
    "<script>alert(1)</script>",
    '</script>"><img src=x onerror=alert(2)>',
    "$$x^2$$",
    "@y{safe} $index",
    "__proto__",
    "A&B",
]
HOSTILE_MODELS = ["naive", "<img src=x onerror=alert(4)>", "$$m_1$$", "__proto__"]

DATA = "(name) => Bokeh.documents[0].get_model_by_name(name)"


def renamed(n_models: int = 4) -> Backtest:
    """A backtest of hostile coins and models."""
    table, _ = make_backtest(len(HOSTILE), ["naive", *"bcd"][:n_models], n_cutoffs=6)
    coins = dict(zip(sorted(table["coin"].unique()), HOSTILE, strict=True))
    models = dict(zip(["naive", *"bcd"], HOSTILE_MODELS, strict=True))
    return of(table.assign(coin=table["coin"].map(coins), model=table["model"].map(models)))


def choose(page, name: str, value: str) -> None:
    page.evaluate(f"([name, value]) => {{ ({DATA})(name).value = value }}", [name, value])


def columns(page, name: str) -> dict[str, np.ndarray]:
    """What a source holds in the browser."""
    data = page.evaluate(
        f"""(name) => Object.fromEntries(Object.entries(({DATA})(name).data).map(
            ([key, column]) => [key, Array.from(column)]))""",
        name,
    )
    return {key: np.array(column, float) for key, column in data.items()}


def cells(page, table: str) -> list[str]:
    """Texts of a table's cells that are on the screen."""
    place = page.evaluate(
        f"""(name) => {{
          const view = Bokeh.index.find_one(({DATA})(name))
          view.el.scrollIntoView({{block: "center"}})
          return Array.from(view.shadow_el.querySelectorAll(".slick-cell"), (x) => x.innerText)
        }}""",
        table,
    )
    return list(place)


@pytest.mark.slow
def test_names_are_shown_and_never_run(tmp_path: Path, open_page) -> None:
    path = tmp_path / "board.html"
    save_leaderboard(path, renamed())
    page = open_page(path)  # no dialog, no error, no other request
    assert page.title().startswith("CryptoDask leaderboard: 6 coins · 4 models · 6 origins")
    assert set(HOSTILE_MODELS) <= set(cells(page, "board"))
    for model in HOSTILE_MODELS[1:]:
        choose(page, "worst_model", model)
        page.wait_for_function(f"({DATA})('worst').source.data.coin.length == 6")
        assert set(HOSTILE) <= set(cells(page, "worst"))
    for coin in HOSTILE:
        choose(page, "coin", coin)
        page.wait_for_function(f"(coin) => ({DATA})('coin_heading').text == coin", arg=coin)
        page.locator(".coin_heading", has_text=coin).wait_for()
    labels = set(page.locator(".bk-Legend .bk-label").all_text_contents())
    assert set(HOSTILE_MODELS) <= labels
    at = page.evaluate(
        f"""() => {{
          const view = Bokeh.index.find_one(({DATA})("by_step"))
          view.el.scrollIntoView({{block: "center"}})
          const dots = view.model.renderers.filter((r) => r.glyph.type == "Scatter" && r.visible)
          const {{x, y, model}} = dots.at(-1).data_source.data
          const {{left, top}} = view.el.getBoundingClientRect()
          const {{x_scale, y_scale}} = view.frame
          return [left + x_scale.compute(x[1]), top + y_scale.compute(y[1]), model[1]]
        }}"""
    )
    page.mouse.move(at[0], at[1])
    page.locator(".bk-tooltip-row-value:visible", has_text=at[2]).first.wait_for()


@pytest.mark.slow
def test_coin_model_and_origin_can_be_chosen(tmp_path: Path, open_page) -> None:
    table, _ = make_backtest(5, n_cutoffs=9, seed=2, missing=0.1)
    backtest = of(table)
    path = tmp_path / "board.html"
    save_leaderboard(path, backtest)
    page, overlay = open_page(path), build_leaderboard(backtest).overlay

    def assert_drawn(coin: str, model: str, origin: int | None) -> None:
        k = overlay.coins.index(coin) * len(overlay.models) + overlay.models.index(model)
        expected = pd.DataFrame(overlay.ahead.of(k))
        if origin is not None:
            expected = expected[expected["cutoff"] == overlay.origins[origin]]
        drawn = columns(page, "ahead")
        assert set(drawn) == set(expected.columns)
        for name, column in drawn.items():
            np.testing.assert_array_equal(column, expected[name].to_numpy(), name)
        assert page.evaluate(f"({DATA})('coin_caption').text") == overlay.captions[k]

    shown = "drift" if overlay.models[0] == "naive" else overlay.models[0]
    assert_drawn(overlay.coins[0], page.evaluate(f"({DATA})('model').value"), None)
    assert shown in overlay.models
    choose(page, "coin", overlay.coins[3])
    choose(page, "model", "wild")
    assert_drawn(overlay.coins[3], "wild", None)
    date = pd.Timestamp(overlay.origins[4], unit="ms")
    choose(page, "origin", f"{date:%Y-%m-%d}")
    assert_drawn(overlay.coins[3], "wild", 4)
    closes = columns(page, "closes")
    last = (date + pd.Timedelta(days=4)).timestamp() * 1000
    assert closes["date"].max() <= last
    page.get_by_role("button", name="Next ›").last.click()
    assert_drawn(overlay.coins[3], "wild", 5)
    choose(page, "origin", "all")
    assert len(columns(page, "closes")["date"]) == len(overlay.closes.of(3)["date"])


@pytest.mark.slow
def test_a_click_on_a_bad_coin_draws_it(tmp_path: Path, open_page) -> None:
    table, _ = make_backtest(5, seed=2)
    path = tmp_path / "board.html"
    save_leaderboard(path, of(table))
    page = open_page(path)
    choose(page, "worst_model", "wild")
    worst = page.evaluate(f"({DATA})('worst').source.data.coin[2]")
    page.locator(".slick-cell", has_text=worst).first.click()
    page.wait_for_function(f"(coin) => ({DATA})('coin_heading').text == coin", arg=worst)
    assert page.evaluate(f"({DATA})('model').value") == "wild"


@pytest.mark.slow
def test_calibration_is_drawn_by_period(tmp_path: Path, open_page) -> None:
    table, _ = make_backtest(5, n_cutoffs=9, seed=2)
    path = tmp_path / "board.html"
    save_leaderboard(path, of(table))
    page, view = open_page(path), build_leaderboard(of(table))
    drawn = f"""() => ({DATA})("quantiles").renderers.filter((r) => r.glyph.type == "Line")
        .map((r) => Array.from(r.data_source.data.y))"""
    for label, period in [("All origins", -1), (f"Origins {view.periods[2]}", 2)]:
        page.get_by_role("button", name=label).click()
        rows = view.reliability[view.reliability["kind"] == "quantile"]
        rows = rows[rows["period"] == period]
        expected = [rows.loc[rows["model"] == m, "observed"].tolist() for m in view.models]
        assert page.evaluate(drawn) == expected
        bins = pit_histogram(view.reliability)
        bins = bins[bins["period"] == period]
        densities = [bins.loc[bins["model"] == m, "density"].repeat(2) for m in view.models]
        outlines = page.evaluate(drawn.replace("quantiles", "pit"))
        assert outlines == [pytest.approx(list(density)) for density in densities]
    page.get_by_text("Tests of coverage need 20 forecasts of a coin").wait_for()


@pytest.mark.slow
def test_tests_of_coverage_are_listed_with_naive_first(tmp_path: Path, open_page) -> None:
    table, _ = make_backtest(5, n_cutoffs=FEWEST + 1, seed=2)
    path = tmp_path / "board.html"
    save_leaderboard(path, of(table))
    page = open_page(path)
    shown = np.reshape(cells(page, "coverage_tests"), (-1, 7))
    tests = rejected(of(table).coverage_tests()).set_index(["model", "level"])
    assert shown[0, 0] == "naive"
    for model, level, coins, _, coverage, kupiec, _ in shown:
        test = tests.loc[(model, int(level))]
        assert (coins, coverage) == ("5", f"{test['coverage']:.1%}")
        assert kupiec == f"{test['kupiec']:.1%}"


@pytest.mark.slow
def test_without_intervals_a_word_says_so(tmp_path: Path, open_page) -> None:
    table, _ = make_backtest(3)
    table[list(BOUNDS)] = np.nan
    path = tmp_path / "board.html"
    save_leaderboard(path, of(table))
    page = open_page(path)
    page.get_by_text("has no intervals, so there is nothing to draw").wait_for()
    assert page.evaluate(f"({DATA})('quantiles')") is None
    assert "–" in cells(page, "board")


@pytest.mark.slow
def test_a_narrow_window_needs_no_sideways_scrolling(tmp_path: Path, open_page) -> None:
    path = tmp_path / "board.html"
    save_leaderboard(path, renamed())
    page = open_page(path)
    page.set_viewport_size({"width": 420, "height": 900})
    page.wait_for_function("document.documentElement.scrollWidth <= 420")


def test_a_backtest_of_prices_is_drawn_over_them(tmp_path: Path, small_folder: Path) -> None:
    loader = CryptoLoader(small_folder)
    panel = to_panel(loader.get_df())
    origins = choose_origins(panel.dates.min(), panel.dates.max(), DAY, 5, 4, 10)
    models = ["naive", "linear"]
    tables = [backtest_panel(panel, create_model(m), origins, 5).table for m in models]
    backtest = of(pd.concat(tables))
    path = tmp_path / "board.html"
    save_leaderboard(path, backtest, prices=loader)
    text = path.read_text("utf-8")
    assert text.rstrip().endswith("</html>")
    assert "<script src=" not in text
    closes = build_leaderboard(backtest, prices=loader).overlay.closes
    bare = build_leaderboard(backtest).overlay.closes
    assert len(closes.columns["date"]) > len(bare.columns["date"])


def test_a_model_far_off_is_hidden_at_first() -> None:
    from cryptodask.dashboard.leaderboard import layout

    table, _ = make_backtest(4)
    table.loc[table["model"] == "wild", "forecast"] *= 3
    table[list(BOUNDS)] = np.nan
    plot = layout(build_leaderboard(of(table))).select_one({"name": "by_step"})
    shown = {r.data_source.data["model"][0]: r.visible for r in plot.renderers}
    assert shown == {"naive": True, "drift": True, "wild": False}


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    table, _ = make_backtest(2)
    with pytest.raises(OptionError, match=r"suffix is '.png', and must be .html"):
        save_leaderboard(tmp_path / "board.png", of(table))
    with pytest.raises(OptionError, match="does not exist; create it"):
        save_leaderboard(tmp_path / "nowhere" / "board.html", of(table))
    with pytest.raises(OptionError, match="coins: must be 1 or more"):
        save_leaderboard(tmp_path / "board.html", of(table), coins=0)
    assert list(tmp_path.iterdir()) == []


def test_drawing_libraries_are_imported_only_to_draw() -> None:
    code = """
import sys
import cryptodask.dashboard.leaderboard
assert not {"bokeh", "matplotlib"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
