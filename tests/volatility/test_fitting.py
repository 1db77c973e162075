"""Fits: as likely as arch's, of each coin by itself, with a reason where there is none."""

import numpy as np
import pytest

from cryptodask.volatility import Returns, VolatilityModel, fit
from tests.volatility.paths import garch_paths, ragged


@pytest.mark.parametrize("errors", ["normal", "t"])
@pytest.mark.parametrize("mean", ["zero", "constant"])
@pytest.mark.parametrize("kind", ["garch", "gjr"])
def test_a_fit_is_as_likely_as_that_of_arch(kind: str, mean: str, errors: str):
    arch = pytest.importorskip("arch")
    rows = garch_paths(6, 800, seed=3)
    fits = fit(VolatilityModel(kind, errors, mean), ragged(rows))
    assert fits.converged.all()
    for path, ours in zip(rows, fits.loglikelihood, strict=True):
        theirs = arch.arch_model(
            100 * path, mean=mean, p=1, o=int(kind == "gjr"), q=1, dist=errors, rescale=False
        ).fit(disp="off")
        assert ours >= theirs.loglikelihood + len(path) * np.log(100) - 1e-4


def test_a_coin_alone_has_the_bits_that_it_has_among_others():
    rows = garch_paths(5, 300, seed=4)
    together = fit(VolatilityModel("gjr"), ragged(rows))
    for i, path in enumerate(rows):
        alone = fit(VolatilityModel("gjr"), Returns(path, np.array([0, len(path)])))
        assert np.array_equal(alone.params[0], together.params[i])
        assert alone.loglikelihood[0] == together.loglikelihood[i]
