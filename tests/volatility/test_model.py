"""Names and forms of parameters, and returns of a panel."""

import numpy as np
import pytest

from cryptodask.errors import OptionError
from cryptodask.records import Panel
from cryptodask.volatility import Parameters, Returns, VolatilityModel
from cryptodask.volatility.model import ERRORS, KINDS, MEANS
from cryptodask.volatility.transforms import BEND, BOUND, share_of, to_natural


@pytest.mark.parametrize("errors", ERRORS)
@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("kind", KINDS)
def test_both_forms_of_parameters_are_the_same(kind: str, mean: str, errors: str):
    model = VolatilityModel(kind, errors, mean)
    natural, jacobian = np.empty((1, 6)), np.empty((6, len(model.free_names)))
    to_natural(model.starts()[1], *model.code, natural[0], jacobian)
    params = model.params_of(natural, np.ones(1))
    assert params.shape == (1, len(model.names))
    np.testing.assert_allclose(model.natural_of(params), natural, rtol=1e-12)
    assert Parameters(model, params).persistence[0] <= 1.0


def test_names_are_those_of_the_options():
    assert VolatilityModel("gjr", "t", "constant").names == (
        "mu", "omega", "alpha", "gamma", "beta", "nu",
    )  # fmt: skip
    assert VolatilityModel("ewma", "normal").names == ("lambda",)
    assert VolatilityModel("ewma", "normal", decay=0.9).free_names == ()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "egarch"}, "kind='egarch': one of ewma, garch, gjr, harch"),
        ({"errors": "skew"}, "errors='skew': one of normal, t"),
        ({"mean": "ar"}, "mean='ar': one of zero, constant"),
        ({"decay": 0.9}, "decay=0.9: of kind 'ewma' only"),
        ({"kind": "ewma", "decay": 1.0}, "decay=1.0: above 0 and below 1"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str):
    with pytest.raises(OptionError, match=message):
        VolatilityModel(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1e-4, 0.1, 0.8], r"values: \(n, 4\), columns omega, alpha, beta, nu"),
        ([1e-4, -0.1, 0.8, 5.0], r"values\[0\]: .*omega=0.0001, alpha=-0.1"),
        ([1e-4, 0.1, 0.8, 2.0], "nu above 2"),
        ([1e-4, 0.1, np.inf, 5.0], "finite"),
    ],
)
def test_parameters_out_of_range_are_refused(values: list[float], message: str):
    with pytest.raises(OptionError, match=message):
        Parameters(VolatilityModel("garch"), np.array([values]))


def test_a_share_reaches_its_bounds_smoothly():
    x = np.linspace(-13.0, 13.0, 5_201)
    shares, slopes = np.array([share_of(float(v)) for v in x]).T
    assert shares.min() < 1e-6
    assert shares.max() > 1.0 - 1e-6
    assert ((shares >= 0.0) & (shares <= 1.0)).all()
    np.testing.assert_allclose(np.gradient(shares, x)[1:-1], slopes[1:-1], atol=2e-4)
    inside = np.abs(x) < BEND
    np.testing.assert_allclose(shares[inside], 1.0 / (1.0 + np.exp(-x[inside])), rtol=1e-12)
    assert share_of(BOUND) == (1.0, 0.0)
    assert share_of(BOUND + 1.0)[0] == pytest.approx(share_of(BOUND - 1.0)[0])


def test_returns_of_a_panel_are_missing_at_first_rows_and_after_gaps():
    day = np.datetime64("2020-01-01", "s") + np.arange(8) * np.timedelta64(1, "D")
    panel = Panel.from_series(
        [("A", np.array([1.0, 2.0, 2.0, 8.0]), day[[0, 1, 4, 5]]), ("B", np.array([3.0]), day[:1]),
         ("C", np.array([5.0, 2.5]), day[2:4])]
    )  # fmt: skip
    returns = Returns.of(panel)
    expected = np.log([np.nan, 2.0, np.nan, 4.0, np.nan, np.nan, 0.5])
    np.testing.assert_allclose(returns.values, expected, rtol=1e-12)
    assert returns.indptr.tolist() == [0, 4, 5, 7]
    assert len(returns) == 3
    assert returns.lengths.tolist() == [4, 1, 2]
