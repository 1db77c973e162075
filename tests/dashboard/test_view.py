import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptodask.dashboard.view import build_view
from cryptodask.errors import OptionError, UnknownCoinError

DAY = pd.Timedelta(days=1)
START = pd.Timestamp("2024-01-01")


@st.composite
def tables(draw):
    """Prices and forecasts of a few coins, each with gaps, and each perhaps in one table only."""
    names = draw(st.lists(st.text(max_size=6), min_size=1, max_size=5, unique=True))
    models = draw(st.lists(st.text(max_size=4), min_size=1, max_size=3, unique=True))
    positive = st.floats(1e-9, 1e6)
    prices, forecasts = [], []
    for coin in names:
        days = sorted(draw(st.sets(st.integers(0, 40), max_size=12)))
        prices += [(coin, START + day * DAY, draw(positive)) for day in days]
        for model in draw(st.sets(st.sampled_from(models))):
            cutoffs = draw(st.sets(st.integers(0, 45), min_size=1, max_size=2))
            for cutoff in cutoffs:
                for step in range(1, draw(st.integers(1, 4)) + 1):
                    when = START + (cutoff + step) * DAY
                    forecasts.append((coin, model, START + cutoff * DAY, when, draw(positive)))
    columns = ["coin", "model", "cutoff", "date", "forecast"]
    frames = (
        pd.DataFrame(prices, columns=["coin", "date", "close"]),
        pd.DataFrame(forecasts, columns=columns),
    )
    return tuple(f.astype(dict.fromkeys({"coin", "model"} & set(f), "str")) for f in frames)


def milliseconds(dates):
    return [float(pd.Timestamp(date).value // 10**6) for date in dates]


def plain_line(prices, forecasts, coin, model):
    """Dates and prices of one line, the slow and obvious way."""
    rows = forecasts[(forecasts["coin"] == coin) & (forecasts["model"] == model)]
    rows = rows[rows["cutoff"] == rows["cutoff"].max()].sort_values("date")
    points = list(zip(rows["date"], rows["forecast"], strict=True))
    if points:
        seen = prices[(prices["coin"] == coin) & (prices["date"] <= rows["cutoff"].iloc[0])]
        if len(seen):
            last = seen.sort_values("date").iloc[-1]
            points.insert(0, (last["date"], last["close"]))
    return milliseconds(date for date, _ in points), [price for _, price in points]


@given(tables(), st.integers(1, 50))
@settings(deadline=None, max_examples=50)
def test_every_line_is_that_of_the_obvious_way(both, history_days):
    prices, forecasts = both
    if forecasts.empty:
        with pytest.raises(OptionError, match="nothing to plot"):
            build_view(prices, forecasts)
        return
    view = build_view(prices, forecasts, history_days=history_days)
    assert set(view.coins) == set(forecasts["coin"])
    assert set(view.models) == set(forecasts["model"])
    assert set(view.without_forecast) == set(prices["coin"]) - set(view.coins)
    for i, coin in enumerate(view.coins):
        history, ahead = view.history.of(i), view.ahead.of(i)
        closes = prices[prices["coin"] == coin].sort_values("date")
        closes = closes[closes["date"] > closes["date"].max() - history_days * DAY]
        there = np.isfinite(history["close"])
        assert history["date"][there].tolist() == milliseconds(closes["date"])
        assert history["close"][there].tolist() == closes["close"].tolist()
        # A row without a price lies between any two that are further apart than most.
        steps = np.diff(history["date"][there])
        assert np.count_nonzero(~there) == np.count_nonzero(steps > 1.5 * view.bar)
        for j, model in enumerate(view.models):
            there = np.isfinite(ahead[f"forecast_{j}"])
            drawn = ahead["date"][there].tolist(), ahead[f"forecast_{j}"][there].tolist()
            assert drawn == plain_line(prices, forecasts, coin, model)


@given(tables(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50)
def test_the_order_of_rows_changes_nothing(both, random):
    prices, forecasts = both
    if forecasts.empty:
        return
    seed = random.randrange(2**32)
    view = build_view(prices, forecasts)
    other = build_view(*(f.sample(frac=1, random_state=seed) for f in both))
    assert view.coins == other.coins
    assert view.models == other.models
    assert view.captions == other.captions
    for pack, same in ((view.history, other.history), (view.ahead, other.ahead)):
        assert pack.offsets.tolist() == same.offsets.tolist()
        for name, column in pack.columns.items():
            np.testing.assert_allclose(column, same.columns[name], rtol=1e-12)


def test_columns_are_typed_arrays_of_equal_length(make_tables):
    view = build_view(*make_tables([f"coin-{i}" for i in range(30)], levels=("80", "95")))
    for pack in (view.history, view.ahead):
        assert pack.offsets.dtype == np.int32
        assert len(pack.offsets) == 31
        for column in pack.columns.values():
            assert column.dtype == np.float64
            assert len(column) == pack.offsets[-1]
    assert len(view.history.of(7)["close"]) == 200


def test_bands_are_there_only_for_models_with_intervals(make_tables):
    prices, forecasts = make_tables(["ada"], ["naive", "theta"], levels=("80", "95"))
    intervals = ["lower_80", "upper_80", "lower_95", "upper_95"]
    forecasts.loc[forecasts["model"] == "naive", intervals] = np.nan
    view = build_view(prices, forecasts)
    assert view.bands == (("95", 1), ("80", 1))
    ahead = view.ahead.of(0)
    close = view.history.of(0)["close"][-1]
    assert ahead["lower_80_1"][0] == ahead["upper_95_1"][0] == close
    assert np.isnan(ahead["lower_80_0"]).all()
    assert (ahead["lower_95_1"][1:] < ahead["lower_80_1"][1:]).all()


def test_without_interval_columns_there_are_no_bands(make_tables):
    view = build_view(*make_tables(["ada"]))
    assert view.bands == ()
    assert set(view.ahead.columns) == {"date", "middle", "forecast_0", "forecast_1"}


def test_the_middle_is_the_mean_of_the_models_after_the_cutoff(make_tables):
    ahead = build_view(*make_tables(["ada"])).ahead.of(0)
    assert np.isnan(ahead["middle"][0])
    mean = (ahead["forecast_0"] + ahead["forecast_1"])[1:] / 2
    np.testing.assert_allclose(ahead["middle"][1:], mean)


def test_the_caption_says_what_is_missing(make_tables):
    prices, forecasts = make_tables(["ada", "bnb"])
    gone = (forecasts["coin"] == "bnb") & (forecasts["model"] == "naive")
    view = build_view(prices[prices["coin"] != "ada"], forecasts[~gone])
    assert view.captions == (
        "Cutoff 2026-05-31 · forecasts to 2026-06-10 · no prices of this coin",
        "Cutoff 2026-05-31 · forecasts to 2026-06-10 · no forecast of naive",
    )
    assert len(view.history.of(0)["date"]) == 0
    assert np.isfinite(view.ahead.of(0)["forecast_0"]).all()


def test_the_summary_counts(make_tables):
    prices, forecasts = make_tables(["ada", "bnb", "eth"])
    assert build_view(prices, forecasts).summary == "3 coins · 2 models"
    single = forecasts[(forecasts["coin"] == "ada") & (forecasts["model"] == "naive")]
    assert build_view(prices, single).summary == "1 coin · 1 model · 2 coins without a forecast"


def test_an_unknown_coin_is_answered_with_similar_names(make_tables):
    view = build_view(*make_tables(["bitcoin", "bitcoin-cash", "monero"]))
    with pytest.raises(UnknownCoinError, match=r"'bitcoins'.*'bitcoin', 'bitcoin-cash'") as error:
        view.position("bitcoins")
    assert "monero" not in str(error.value)


def test_a_coin_without_forecast_is_told_from_an_unknown_one(make_tables):
    prices, forecasts = make_tables(["ada", "bnb"])
    view = build_view(prices, forecasts[forecasts["coin"] == "ada"])
    with pytest.raises(UnknownCoinError, match="'bnb' has prices but no forecast"):
        view.position("bnb")


def test_dates_may_be_text_or_carry_a_zone(make_tables):
    prices, forecasts = make_tables(["ada"])
    text = prices.assign(date=prices["date"].dt.strftime("%Y-%m-%d"))
    zoned = forecasts.assign(date=forecasts["date"].dt.tz_localize("UTC"))
    view, other = build_view(prices, forecasts), build_view(text, zoned)
    assert view.history.columns["date"].tolist() == other.history.columns["date"].tolist()
    assert view.ahead.columns["date"].tolist() == other.ahead.columns["date"].tolist()


def test_rows_without_a_finite_number_are_left_out(make_tables):
    prices, forecasts = make_tables(["ada"], days=20, horizon=3)
    prices.loc[5, "close"] = np.nan
    forecasts.loc[forecasts["model"] == "naive", "forecast"] = np.inf
    view = build_view(prices, forecasts)
    assert view.models == ("linear",)
    assert np.isfinite(view.history.columns["close"]).sum() == 19


def test_the_input_is_left_as_it_was(make_tables):
    prices, forecasts = make_tables(["ada", "bnb"])
    copies = prices.copy(), forecasts.copy()
    build_view(prices, forecasts)
    pd.testing.assert_frame_equal(prices, copies[0])
    pd.testing.assert_frame_equal(forecasts, copies[1])


def test_what_cannot_be_drawn_is_refused(make_tables):
    prices, forecasts = make_tables(["ada"])
    with pytest.raises(OptionError, match=r"prices lack the column close; they have coin, date"):
        build_view(prices.drop(columns="close"), forecasts)
    with pytest.raises(OptionError, match=r"forecasts lack the column model, cutoff"):
        build_view(prices, forecasts.drop(columns=["model", "cutoff"]))
    with pytest.raises(OptionError, match=r"column 'date' of the prices holds no dates"):
        build_view(prices.assign(date="soon"), forecasts)
    with pytest.raises(OptionError, match=r"history_days must be 1 or more, not 0"):
        build_view(prices, forecasts, history_days=0)
    with pytest.raises(OptionError, match=r"no finite forecast"):
        build_view(prices, forecasts.iloc[:0])
