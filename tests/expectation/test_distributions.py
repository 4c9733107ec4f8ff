"""Distributions: central moments against mpmath and exact formulas, and what is read as what."""

import mpmath
import numpy as np
import pytest
from scipy import stats

import wengert as wg
from wengert.expectation import Draws, Independent, Normal, as_distribution
from wengert.expectation.moments import central_moments

inf = mpmath.inf
CONTINUOUS = {
    "uniform": (stats.uniform(0.1, 1), lambda x: 1, (0.1, 1.1), 30),
    "exponential": (stats.expon(), lambda x: mpmath.exp(-x), (0, inf), 12),
    "arcsine": (
        stats.beta(0.5, 0.5),
        lambda x: 1 / (mpmath.pi * mpmath.sqrt(x * (1 - x))),
        (0, 1),
        12,
    ),
    "gamma": (
        stats.gamma(0.5),
        lambda x: x ** mpmath.mpf(-0.5) * mpmath.exp(-x) / mpmath.gamma(0.5),
        (0, inf),
        8,
    ),
    "logistic": (stats.logistic(), lambda x: mpmath.sech(x / 2) ** 2 / 4, (-inf, inf), 8),
}


@pytest.mark.parametrize("name", CONTINUOUS)
def test_central_moments_of_continuous_distributions(name):
    dist, density, (low, high), order = CONTINUOUS[name]
    moments = central_moments(dist, order)
    with mpmath.workdps(30):
        mean = mpmath.quad(lambda x: x * density(x), [low, 0.5, high])
        for k in range(order + 1):
            exact, size = (
                mpmath.quad(lambda x, k=k, g=g: g((x - mean) ** k) * density(x), [low, mean, high])
                for g in (lambda y: y, abs)
            )
            assert abs(moments[k] - exact) <= 2e-13 * size


def test_moments_of_normal_variables():
    moments = central_moments(stats.norm(1.0, 2.0), 20)
    assert np.allclose(moments, Normal(1.0, 4.0).central_moments(20), rtol=1e-13, atol=0)
    assert moments[10] == pytest.approx(9 * 7 * 5 * 3 * 2.0**10, rel=1e-13)


def test_moments_of_lognormal_variables():
    s2 = mpmath.mpf(0.25)
    raw = [mpmath.exp(k * k * s2 / 2) for k in range(9)]
    for k, found in enumerate(central_moments(stats.lognorm(0.5), 8)):
        exact = sum(mpmath.binomial(k, j) * raw[j] * (-raw[1]) ** (k - j) for j in range(k + 1))
        assert found == pytest.approx(float(exact), rel=1e-12, abs=1e-14)


DISCRETE = [stats.poisson(3.0), stats.binom(10, 0.3), stats.geom(0.2), stats.nbinom(3, 0.4)]


@pytest.mark.parametrize("dist", [*DISCRETE, stats.bernoulli(0.3), stats.randint(0, 6)])
def test_central_moments_of_discrete_distributions(dist):
    points = np.arange(0, 400)
    weights = dist.pmf(points)
    exact = [np.sum((points - dist.mean()) ** k * weights) for k in range(9)]
    assert np.allclose(central_moments(dist, 8), exact, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("dist", [stats.t(7.0), stats.triang(0.3), stats.weibull_min(1.5)])
def test_moments_agree_with_scipy_where_it_is_exact(dist):
    variance, skew, kurtosis = dist.stats("vsk")
    found = central_moments(dist, 4)
    exact = [variance, skew * variance**1.5, (kurtosis + 3) * variance**2]
    assert np.allclose(found[2:], exact, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    ("dist", "order"), [(stats.t(5), 5), (stats.pareto(5), 5), (stats.zipf(4.5), 4)]
)
def test_moments_that_do_not_exist_are_errors(dist, order):
    with pytest.raises(wg.DomainError, match=f"moment of order {order}"):
        central_moments(dist, order)
    assert np.all(np.isfinite(central_moments(dist, 3 if order == 5 else 2)))


def test_arrays_of_distributions():
    one = Independent(stats.uniform([0.0, 1.0], [1.0, 2.0]))
    other = Independent([stats.uniform(0.0, 1.0), stats.uniform(1.0, 2.0)])
    assert np.allclose(one.central_moments(6), other.central_moments(6), rtol=1e-13)
    nested = Independent([[stats.norm(0, 1)] * 2] * 3)
    assert nested.mean.shape == (3, 2)
    assert nested.central_moments(4).shape == (5, 3, 2)
    assert nested.sample(np.random.default_rng(0), 7).shape == (7, 3, 2)
    with pytest.raises(wg.DomainError, match="scalar"):
        central_moments(stats.poisson([1.0, 2.0]), 3)


def test_what_is_read_as_a_distribution():
    assert isinstance(as_distribution(stats.norm()), Independent)
    assert isinstance(as_distribution((stats.norm(), stats.expon())), Independent)
    frozen = as_distribution(stats.multivariate_normal([1.0, 2.0], [[2.0, 1.0], [1.0, 2.0]]))
    assert np.allclose(frozen.covariance.dense(), [[2, 1], [1, 2]])
    with pytest.raises(TypeError, match=r"x: a distribution is wg.Normal"):
        as_distribution(3.0, "x")


def test_draws_of_a_joint_normal():
    joint = Normal({"b": [0.0, 1.0], "a": 2.0}, np.diag([1.0, 4.0, 9.0]))
    draws = joint.sample(np.random.default_rng(0), 4000)
    assert draws["b"].shape == (4000, 2)
    assert np.allclose(draws["a"].std(), 3.0, rtol=0.05)
    assert joint.central_moments(4).shape == (5, 3)


def test_empirical_moments():
    draws = Draws([[0.0, 1.0], [2.0, 5.0]])
    assert np.allclose(draws.covariance.dense(), [[1, 2], [2, 4]])
    assert np.allclose(draws.central_moments(4)[4], [1.0, 16.0])
