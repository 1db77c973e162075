"""`plot_coverage`: which coin has which days."""

import numpy as np
import pandas as pd
import pytest

from cryptodask import import_prices, synthetic_prices
from cryptodask.charts import Cells
from cryptodask.prices.coverage import MOST_ROWS, Coverage, coverage_chart

DAY = np.datetime64("2024-01-01", "D")


def cells_of(chart) -> Cells:
    [pane] = chart.panes
    [cells] = pane.marks
    return cells


def test_a_table_shows_which_coin_has_which_days(tmp_path) -> None:
    coins, days = ["a", "b", "c"], pd.date_range("2024-01-01", periods=40).to_numpy()
    frames = [pd.DataFrame({"coin": c, "date": days, "close": np.arange(40) + 1.0}) for c in coins]
    prices = pd.concat(frames)
    late = prices["coin"] == coins[0]
    prices = prices[~(late & (prices["date"] < days[10]))]
    prices = prices[~((prices["coin"] == coins[1]) & prices["date"].isin(days[20:25]))]
    table = import_prices(prices, tmp_path / "table")
    cells = cells_of(table.plot_coverage())
    assert cells.names == (coins[1], coins[2], coins[0])
    expected = np.ones((3, 40))
    expected[2, :10] = 0
    expected[0, 20:25] = 0
    np.testing.assert_array_equal(cells.shares, expected)
    assert (cells.first, cells.last) == (days[0], days[-1] + np.timedelta64(1, "D"))
    page = table._repr_html_()
    assert "2024-01-01 to 2024-02-09" in page
    assert f"{len(table):,}, daily bars" in page


@pytest.mark.parametrize("n_coins", [1, MOST_ROWS, MOST_ROWS + 1, 70_000])
def test_very_many_coins_share_rows(n_coins: int) -> None:
    shares = np.linspace(0, 1, n_coins, dtype=np.float32)[:, None] * np.ones((1, 3), np.float32)
    coins = tuple(f"C{i}" for i in range(n_coins))
    cells = cells_of(coverage_chart(Coverage(coins, DAY, 2, shares)))
    assert len(cells.shares) == len(cells.names) <= MOST_ROWS
    assert cells.names[0].startswith("C0")
    assert cells.last - cells.first == np.timedelta64(6, "D")
    each = -(-n_coins // MOST_ROWS)
    np.testing.assert_allclose(cells.shares[0], shares[:each].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(
        cells.shares[-1], shares[(len(cells.names) - 1) * each :].mean(axis=0), rtol=1e-5
    )


def test_the_loader_shows_names_as_text(tmp_path) -> None:
    from cryptodask import CryptoLoader

    prices = pd.concat(
        synthetic_prices(1, 10, seed=i).assign(coin=f"<b>{i}</b>") for i in range(12)
    )
    page = CryptoLoader(prices)._repr_html_()
    assert "&lt;b&gt;0&lt;/b&gt;" in page
    assert "<b>0</b>" not in page
    assert "… and 2 more" in page
