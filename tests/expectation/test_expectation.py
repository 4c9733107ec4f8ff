"""Expectations against Gauss rules, closed forms and mpmath."""

import warnings

import mpmath
import numpy as np
import pytest
import scipy.sparse
from scipy import special, stats

import wengert as wg
from expectation.support import gauss_hermite, isserlis, random_covariance
from wengert.expectation.coupling import couplings_of
from wengert.expectation.covariance import BlockCovariance, DenseCovariance
from wengert.expectation.rules import number_of_nodes, product_rule
from wengert.expectation.subject import subject_of
from wengert.expectation.terms import Way, _contractions, number_of_jets, terms_of

U = stats.uniform(0.1, 1.0)
LOG_MEAN = -0.6649003  # E log of U


# ---------------------------------------------------------------- figures of record


@pytest.mark.parametrize(
    ("order", "error"), [(2, 3.8e-2), (4, 1.4e-2), (10, 1.6e-3), (20, 8.9e-5), (40, 7.2e-7)]
)
def test_log_of_a_uniform_variable(order, error):
    estimate = wg.expectation(np.log, U, order=order)
    exact = float(mpmath.quad(mpmath.log, [0.1, 1.1]))
    assert exact == pytest.approx(LOG_MEAN, abs=5e-8)
    assert abs(estimate.value - exact) == pytest.approx(error, rel=0.06)
    assert 0.3 < estimate.error_estimate / abs(estimate.value - exact) < 3


def test_exp_of_a_gaussian_term_by_term():
    a = np.array([0.3, -0.5, 0.2])
    mean, cov = np.array([0.1, 0.2, 0.3]), random_covariance(np.random.default_rng(0), 3)
    estimate = wg.expectation(lambda x: np.exp(a @ x), wg.Normal(mean, cov), order=8)
    s = a @ cov @ a / 2
    expected = [np.exp(a @ mean) * s**m / np.prod(np.arange(1.0, m + 1)) for m in range(5)]
    assert np.allclose(estimate.terms[::2], expected, rtol=1e-12)
    assert estimate.terms[1::2] == (0.0,) * 4
    gap = abs(estimate.series - np.exp(a @ mean + s))
    assert estimate.error_estimate == pytest.approx(gap, rel=0.5) or estimate.exact


def test_logsumexp_against_gauss_and_hermite():
    cov = random_covariance(np.random.default_rng(1), 2, 0.05)
    mean = np.array([0.3, -0.2])

    def f(x):
        return np.log(np.sum(np.exp(x)))

    exact = gauss_hermite(f, mean, cov)
    errors = [
        abs(wg.expectation(f, wg.Normal(mean, cov), order=k).value - exact) for k in (2, 4, 8)
    ]
    assert errors[0] > 10 * errors[1] > 100 * errors[2]
    assert errors[2] < 1e-6


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 6])
def test_forms_of_gaussians_by_isserlis(order):
    rng = np.random.default_rng(order)
    cov, a = random_covariance(rng, 3), rng.normal(size=3)
    estimate = wg.expectation(lambda x: (a @ x) ** order, wg.Normal(np.zeros(3), cov), order=order)
    assert estimate.exact
    assert estimate.value == pytest.approx(isserlis(a, cov, order), rel=1e-11, abs=1e-12)
    assert estimate.error_estimate == 0.0


def test_a_network_with_noise_on_fifty_inputs():
    rng = np.random.default_rng(2)
    W1, w2 = rng.normal(size=(8, 50)) / 7, rng.normal(size=8)
    mean = rng.normal(size=50)

    def network(x):
        return w2 @ np.tanh(W1 @ x)

    estimate = wg.expectation(network, wg.Normal(mean, 0.01), order=4)
    z, w = np.polynomial.hermite_e.hermegauss(40)
    sigma = 0.1 * np.linalg.norm(W1, axis=1)
    exact = w2 @ np.tanh((W1 @ mean)[:, None] + sigma[:, None] * z) @ (w / w.sum())
    assert estimate.value == pytest.approx(exact, abs=1e-5)
    assert abs(estimate.value - exact) < abs(estimate.partial_sums[2] - exact) / 20


def test_predictive_of_a_bayesian_logistic_regression():
    rng = np.random.default_rng(3)
    x, mean = rng.normal(size=4), rng.normal(size=4)
    cov = random_covariance(rng, 4, 0.01)

    def predictive(w):
        return 1 / (1 + np.exp(-x @ w))

    exact = gauss_hermite(lambda t: 1 / (1 + np.exp(-t[0])), [x @ mean], [[x @ cov @ x]], 60)
    probit = 1 / (1 + np.exp(-(x @ mean) / np.sqrt(1 + np.pi / 8 * (x @ cov @ x))))
    estimate = wg.expectation(predictive, wg.Normal(mean, cov), order=4)
    assert abs(estimate.value - exact) < abs(probit - exact)
    assert abs(estimate.value - exact) < 3 * estimate.error_estimate


# ---------------------------------------------------------------- covariances of every kind


def polynomial(rng, n, degree):
    """Σ_j (c_j · x + d_j)^degree, and the same for batches of points."""
    c, d = rng.normal(size=(4, n)), rng.normal(size=4)
    return lambda x: np.sum((c @ x.reshape(-1) + d) ** degree)


KINDS = {
    "number": ((4,), 0.7, 0.7 * np.eye(4)),
    "variances": ((4,), [1.0, 0.0, 2.0, 0.5], np.diag([1.0, 0.0, 2.0, 0.5])),
    "low rank": ((4,), wg.LowRankCovariance(np.arange(8.0).reshape(4, 2) / 5), None),
    "low rank and diagonal": ((4,), wg.LowRankCovariance(np.ones((4, 1)), [0.1, 0, 0.2, 0]), None),
    "blocks": ((4,), [np.array([[2.0, 1.0], [1.0, 1.0]]), np.eye(2)], None),
    "Kronecker": ((2, 3), (np.array([[2.0, 1.0], [1.0, 1.0]]), np.diag([1.0, 0.5, 0.0])), None),
    "sparse": ((3,), scipy.sparse.csr_array(np.diag([1.0, 2.0, 3.0])), np.diag([1.0, 2.0, 3.0])),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("degree", [2, 3, 4, 6])
def test_covariances_agree_with_dense_ones_on_polynomials(kind, degree):
    shape, given, dense = KINDS[kind]
    rng = np.random.default_rng(degree)
    f, mean = polynomial(rng, int(np.prod(shape)), degree), rng.normal(size=shape)
    normal = wg.Normal(mean, given)
    dense = normal.covariance.dense() if dense is None else dense
    assert np.allclose(normal.covariance.dense(), dense)
    rows = normal.covariance.directions()
    assert np.allclose(rows.T @ rows, dense)
    estimate = wg.expectation(f, normal, order=degree)
    exact = gauss_hermite(f, mean.reshape(-1), dense, nodes=4 if degree < 8 else 6)
    assert estimate.exact
    assert estimate.value == pytest.approx(exact, rel=1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [2, 4])
def test_contractions_agree_with_jets(kind, order):
    shape, given, _ = KINDS[kind]
    rng = np.random.default_rng(0)
    W = 0.2 * rng.normal(size=(3, int(np.prod(shape))))

    def f(x):
        return np.tanh(W @ x.reshape(-1)), np.sum(np.exp(0.3 * x))

    subject = subject_of(f, wg.Normal(rng.normal(size=shape), given), None)
    couplings = couplings_of(subject)
    exprs = _contractions(subject.recorded.roots, couplings.terms, order)
    by_jets = terms_of(subject, Way(order, number_of_jets(subject, order), (), {}, 0.0))
    contracted = terms_of(subject, Way(order, 0, exprs, couplings.values, 0.0))
    assert contracted.cost.jets == 0 < by_jets.cost.jets
    for k in range(order + 1):
        for one, other in zip(by_jets.by_order[k], contracted.by_order[k], strict=True):
            assert np.allclose(one, other, rtol=1e-9, atol=1e-12)


def test_elementwise_functions_of_many_variables_are_contracted():
    rng = np.random.default_rng(4)
    mean, v = rng.uniform(1, 2, 3000), rng.uniform(0.01, 0.02, 3000)
    estimate = wg.expectation(
        lambda x: np.sum(np.exp(x)), wg.Normal(mean, v), order=4, method="taylor"
    )
    assert estimate.cost.jets == 0
    assert estimate.value == pytest.approx(np.sum(np.exp(mean) * (1 + v / 2 + v**2 / 8)), rel=1e-13)


def test_several_variables_with_constants_and_a_joint_covariance():
    cov = np.array([[0.2, 0.1], [0.1, 0.3]])
    joint = wg.expectation(lambda p: p["x"] * p["y"], wg.Normal({"y": 2.0, "x": 1.0}, cov))
    assert joint.value == pytest.approx(2.1)
    text = wg.expectation("a*x*y", wg.Normal({"y": 2.0, "x": 1.0}, cov), given={"a": 3})
    assert text.value == pytest.approx(6.3)
    apart = wg.expectation(
        lambda p: p["c"] * p["x"][0] ** 2 * p["x"][1],
        {"c": 3, "x": (wg.Normal(1.0, 0.5), stats.expon())},
        order=3,
    )
    assert apart.value == pytest.approx(4.5)
    assert apart.exact
    independent = wg.Normal({"a": [1.0, 2.0], "b": 0.0}, {"a": [0.5, 0.25], "b": 2.0})
    value = wg.expectation(lambda p: p["a"] @ p["a"] + p["b"] ** 2, independent).value
    assert value == pytest.approx(5.75 + 2)


def test_order_of_names_is_that_of_the_dict():
    cov = np.diag([1.0, 4.0])
    value = wg.expectation(lambda p: p["a"] ** 2, wg.Normal({"b": 0.0, "a": 0.0}, cov)).value
    assert value == pytest.approx(4.0)


def test_results_are_nested_and_shaped_as_the_functions():
    estimate = wg.expectation(
        lambda x: {"a": x * 2, "b": (np.outer(x, x), x[0])}, wg.Normal([1.0, 2.0], np.eye(2))
    )
    assert np.allclose(estimate.value["b"][0], [[2, 2], [2, 5]])
    assert estimate.terms[2]["b"][0].shape == (2, 2)
    assert "of shape" in str(estimate)


# ---------------------------------------------------------------- other distributions


def test_independent_components_against_exact_moments():
    dist = [stats.expon(scale=0.5), stats.gamma(2.0), stats.uniform(-1, 2), stats.binom(5, 0.3)]
    x, y, z, n = dist
    estimate = wg.expectation(
        lambda v: v[0] ** 3 * v[1] ** 2 + v[2] ** 4 * v[3] ** 3 - v[0] * v[1] * v[2], dist, order=7
    )
    exact = x.moment(3) * y.moment(2) + z.moment(4) * n.moment(3) - x.mean() * y.mean() * z.mean()
    assert estimate.value == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("order", [3, 4, 5, 6])
def test_one_distribution_of_all_components(order):
    dist = [stats.expon()] * 3
    f = polynomial(np.random.default_rng(order), 3, order)
    z, w = np.polynomial.laguerre.laggauss(order)
    exact = sum(
        w[i] * w[j] * w[k] * f(np.array([z[i], z[j], z[k]]))
        for i in range(order) for j in range(order) for k in range(order)
    )  # fmt: skip
    assert wg.expectation(f, dist, order=order).value == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("shape", [(20,), (20, 2), (500, 2), (4, 2, 2)])
def test_samples_give_the_mean_of_the_expansions(shape):
    rng = np.random.default_rng(5)
    draws = rng.normal(size=shape) + 1.0
    f = polynomial(rng, int(np.prod(shape[1:])), 4)
    exact = np.mean([f(np.asarray(d)) for d in draws])
    estimate = wg.expectation(f, wg.Draws(draws), order=4)
    assert estimate.value == pytest.approx(exact, rel=1e-11)
    second = wg.expectation(lambda x: np.sum(np.exp(x)), wg.Draws(draws), order=2)
    mean = draws.mean(axis=0)
    assert second.value == pytest.approx(np.sum(np.exp(mean) * (1 + draws.var(axis=0) / 2)))


def test_a_sample_beside_other_variables():
    draws = wg.Draws(np.random.default_rng(6).normal(size=(50, 2)))

    def f(p):
        return p["x"][0] * p["x"][1] * p["y"] + p["y"] ** 3

    y = stats.expon()
    exact = np.mean(draws.draws[:, 0] * draws.draws[:, 1]) + 6
    assert wg.expectation(f, {"x": draws, "y": y}, order=3).value == pytest.approx(exact)
    with pytest.raises(wg.WengertError, match="up to order 3"):
        wg.expectation(lambda p: np.exp(f(p)), {"x": draws, "y": y}, order=4)


# ---------------------------------------------------------------- rules


@pytest.mark.parametrize("variables", [1, 2, 3, 5])
@pytest.mark.parametrize("order", [2, 4, 5, 8])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("even", [True, False])
def test_rules_are_exact_for_every_monomial(variables, order, shared, even):
    if not even and comb_is_large(variables, order):
        pytest.skip("thousands of nodes")
    rng = np.random.default_rng(variables)
    moments = rng.uniform(0.5, 2.0, size=(variables, order + 1))
    moments[:, 0], moments[:, 1] = 1.0, 0.0
    if even:
        moments[:, 1::2] = 0.0
    if shared:
        moments = np.repeat(moments[:1], variables, axis=0)
    rule = product_rule(moments, order, even=even, shared=shared)
    assert len(rule.nodes) == number_of_nodes(variables, order, even=even, shared=shared)
    for k in range(2, order + 1):
        for _ in range(20):
            e = rng.multinomial(k, np.full(variables, 1 / variables))
            found = rule.weights[k] @ np.prod(rule.nodes**e, axis=1)
            exact = np.prod(moments[np.arange(variables), e])
            assert found == pytest.approx(exact, rel=1e-9, abs=1e-9)


def comb_is_large(variables, order):
    return variables == 5 and order == 8


def test_order_four_takes_the_square_of_the_rank():
    assert number_of_nodes(10, 2, even=True, shared=True) == 10
    assert number_of_nodes(10, 4, even=True, shared=True) == 100
    assert number_of_nodes(1, 40, even=False, shared=True) == 1


# ---------------------------------------------------------------- judgement


def test_auto_stops_where_the_terms_are_small():
    estimate = wg.expectation(np.log, U, order="auto", rtol=1e-4)
    assert abs(estimate.value - LOG_MEAN) < 5e-4
    assert 10 < estimate.order < 30
    sin = wg.expectation(np.sin, wg.Normal(0.5, 0.1), order="auto", rtol=1e-12)
    assert sin.value == pytest.approx(np.sin(0.5) * np.exp(-0.05), rel=1e-12)


def test_auto_stops_where_the_terms_begin_to_grow():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wg.ApproximationWarning)
        estimate = wg.expectation(lambda x: 1 / x, wg.Normal(1.0, 0.05), order="auto", rtol=1e-12)
    sizes = np.abs(estimate.terms[2::2])
    assert np.all(np.diff(sizes) < 0)


def test_growing_terms_are_a_warning():
    with pytest.warns(wg.ApproximationWarning, match="terms grow"):
        estimate = wg.expectation(lambda x: 1 / (1 + x**2), wg.Normal(0.0, 4.0), order=4)
    assert "doubt: the terms grow" in str(estimate)


def test_an_expectation_that_does_not_exist_is_doubted():
    estimate = wg.expectation(lambda x: np.exp(x**2), wg.Normal(0.0, 0.5), order="auto")
    assert estimate.doubts


@pytest.mark.parametrize(
    ("f", "mean", "sentence"),
    [
        (np.log, 1.0, "log ends 2 standard deviations"),
        (np.sqrt, 1.0, "a root ends 2 standard deviations"),
        (lambda x: 1 / x, -1.0, "a quotient has a pole 2 standard deviations"),
        (np.log1p, 0.5, "log1p ends 3 standard deviations"),
    ],
)
def test_ends_of_the_domain_within_the_mass_are_a_warning(f, mean, sentence):
    with pytest.warns(wg.ApproximationWarning, match=sentence):
        wg.expectation(f, wg.Normal(mean, 0.25), order=2)
    with pytest.warns(wg.ApproximationWarning, match=sentence):
        wg.expectation(lambda x: f(x[0] - x[1]), wg.Normal([mean, 0.0], [0.2, 0.05]), order=2)


@pytest.mark.parametrize(
    "f", [lambda x: 1 / (30 + x**2), lambda x: np.log(np.exp(x) + 1), lambda x: np.sqrt(9 + x**4)]
)
def test_functions_that_are_smooth_everywhere_are_no_warning(f):
    assert wg.expectation(f, wg.Normal(1.5, 0.05), order=2).doubts == ()


@pytest.mark.parametrize(
    ("f", "sentence"),
    [
        (np.abs, "abs has a kink 0.5 standard deviations"),
        (lambda x: np.maximum(x, 1.5), "has a kink 1 standard deviations"),
        (lambda x: np.where(x > 1.0, x**2, 0.0), "greater jumps 0.5 standard"),
        (lambda x: (x > 1.0) * 1.0, "greater jumps 0.5 standard"),
        (lambda x: np.clip(x, 0.0, 1.0), "clip has a kink 0.5 standard"),
        (lambda x: np.max(np.stack([x, 1 - x])), "max has a kink 0 standard"),
        (lambda x: np.argmax(np.stack([x, 1 - x])), "argmax jumps 0 standard"),
        (np.floor, "floor jumps 0.5 standard"),
    ],
)
def test_kinks_within_the_mass_are_a_warning(f, sentence):
    with pytest.warns(wg.ApproximationWarning, match=sentence):
        wg.expectation(f, wg.Normal(0.5, 1.0))


@pytest.mark.parametrize(
    ("f", "mean", "far", "sentence"),
    [  # harmonic functions, whose terms are all zero beside; zeros that are touched, not crossed
        (lambda x: np.arctan2(x[0], x[1]), [0.5, 0.1], [1, 9], "arctan2 has a kink 0.5"),
        (lambda x: np.log(x @ x), [0.3, 0.4], [3, 4], "log ends 0.5 standard"),
        (lambda x: 1 / np.linalg.norm(x), [0.3, 0.4, 1.2], [3, 4, 5], "pole 1.3 standard"),
        (np.linalg.norm, [0.3, 0.4], [3, 4], "norm2 has a kink 0.5 standard"),
        (lambda x: np.sort(x)[0] ** 3, [0.0, 0.4], [0, 7], "argsort jumps 0.28 standard"),
        (lambda x: np.log(1 - x[0] ** 2), [0.0], [0.0], "log ends 1 standard"),
        (lambda x: np.arcsin(x[0]), [0.5], [0.5], "arcsin ends 0.5 standard"),
        (lambda x: np.arccosh(x[0]), [1.5], [3.0], "arccosh ends 0.5 standard"),
        (lambda x: x[0] ** x[1], [1.0, 1.0], [3.0, 1.0], "log ends 1 standard"),
        (lambda x: special.gammaln(x[0]), [1.0], [3.0], "gammaln ends 1 standard"),
        (lambda x: 1 * np.floor(x[0]), [0.75], [0.75], "floor jumps 0.25 standard"),
        (lambda x: x[0] if x[0] > 0 else -x[0], [0.4], [3.0], "decides by values.*: 0.5 standard"),
    ],
)
def test_places_are_those_that_operations_declare(f, mean, far, sentence):
    with pytest.warns(wg.ApproximationWarning, match=sentence):
        estimate = wg.expectation(f, wg.Normal(np.array(mean, float), 1.0))
    assert not estimate.exact
    estimate = wg.expectation(f, wg.Normal(np.array(far, float), 1e-4))
    assert not any("standard deviations" in doubt for doubt in estimate.doubts)


def test_a_function_that_decides_by_values_is_never_exact():
    def f(x):
        return x if x > 0 else 0 * x

    assert "decides by values" in str(wg.expectation(f, wg.Normal(80.0, 1.0)).doubts)
    compared = wg.compare_expectation(f, wg.Normal(80.0, 1.0), samples=100)
    assert compared.trusted
    assert "decides by values" in str(compared)


def test_the_term_after_an_even_order_is_zero_by_symmetry():
    assert wg.expectation(lambda x: x**3, wg.Normal(1.0, 2.0)).exact == "a polynomial of degree 3"
    assert not wg.expectation(lambda x: x**3, stats.expon()).exact


def test_kinks_and_ends_beyond_the_support_are_none():
    assert wg.expectation(np.abs, stats.uniform(0.1, 2.0)).doubts == ()
    assert "ends" not in str(wg.expectation(np.log, stats.uniform(0.1, 2.0), order=20).doubts)
    assert wg.expectation(np.abs, wg.Normal(5.0, 1.0)).doubts == ()
    with pytest.warns(wg.ApproximationWarning, match="abs has a kink"):
        wg.expectation(np.abs, stats.uniform(-0.5, 2.0))
    with pytest.warns(wg.ApproximationWarning, match="abs has a kink"):
        wg.expectation(lambda x: np.abs(x[0] - x[1]), wg.Draws(np.eye(2) + 1.0))


def test_degenerate_variables():
    for dist in (wg.Normal(1.0, 0.0), wg.Normal([1.0], np.zeros((1, 1))), wg.Draws([1.0])):
        estimate = wg.expectation(np.exp, dist, order=4)
        assert np.allclose(estimate.value, np.e)
        assert estimate.exact == "nothing varies"


def test_linearity():
    rng = np.random.default_rng(7)
    normal = wg.Normal(rng.normal(size=3), random_covariance(rng, 3, 0.1))
    f, g = np.sin, np.exp
    both = wg.expectation(lambda x: 2 * f(x) - 3 * g(x), normal, order=4).value
    apart = (
        2 * wg.expectation(f, normal, order=4).value - 3 * wg.expectation(g, normal, order=4).value
    )
    assert np.allclose(both, apart, rtol=1e-12)


def test_single_precision_stays():
    mean = np.array([0.5, 1.0], np.float32)
    estimate = wg.expectation(np.sin, wg.Normal(mean, 0.1), order=4)
    assert estimate.value.dtype == np.float32
    assert np.allclose(estimate.value, np.sin(mean) * np.exp(-0.05), atol=1e-4)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: wg.Normal([0.0, 0.0], [[1.0, 0.5], [0.4, 1.0]]), wg.DomainError, "not symmetric"),
        (lambda: wg.Normal([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]), wg.DomainError, "semidefinite"),
        (lambda: wg.Normal([0.0, 0.0], np.eye(3)), wg.ShapeError, "cov"),
        (lambda: wg.Normal([0.0, 0.0], -1.0), wg.DomainError, "negative variance"),
        (lambda: wg.Normal(np.nan, 1.0), wg.DomainError, "not finite"),
        (lambda: wg.Normal(0.0, np.inf), wg.DomainError, "not finite"),
        (lambda: wg.Normal([0.0], [[np.nan]]), wg.DomainError, "not finite"),
        (lambda: wg.Normal(1j, 1.0), wg.DomainError, "real"),
        (lambda: wg.Draws(np.zeros((0, 2))), wg.ShapeError, "at least one"),
        (lambda: wg.expectation(np.exp, wg.Normal(0.0), order=-1), ValueError, "order"),
        (lambda: wg.expectation(np.exp, wg.Normal(0.0), order=2.5), ValueError, "order"),
        (lambda: wg.expectation(np.exp, {"x": 1.0}), wg.DomainError, "nothing is random"),
        (lambda: wg.expectation("exp(x)", {"y": wg.Normal(0.0)}), wg.NameClashError, "x"),
        (lambda: wg.expectation("a*x", {"x": wg.Normal(0.0)}), wg.NameClashError, "a"),
        (lambda: wg.expectation(np.log, wg.Normal(-1.0)), wg.DomainError, r"log\(x\) is nan"),
        (lambda: wg.expectation(np.sqrt, wg.Normal(0.0), order=2), wg.DomainError, "derivative of"),
        (lambda: wg.expectation(np.exp, stats.cauchy()), wg.DomainError, "finite"),
        (lambda: wg.expectation(np.exp, stats.t(5), order=6), wg.DomainError, "moment of order 5"),
        (lambda: wg.Normal({"a": 0.0}, {"b": 1.0}), wg.NameClashError, "b"),
    ],
)
def test_bad_input(call, error, match):
    with np.errstate(all="ignore"), pytest.raises(error, match=match):
        call()


def test_orders_that_nobody_waits_for_are_refused_with_a_remedy():
    rng = np.random.default_rng(8)
    W = rng.normal(size=(30, 200))
    with pytest.raises(wg.WengertError, match="take a lower order"):
        wg.expectation(lambda x: np.sum(np.tanh(W @ np.tanh(x))), wg.Normal(np.zeros(200)), order=8)


def test_empty_and_size_one():
    assert wg.expectation(np.sum, wg.Normal(np.zeros(0), np.zeros((0, 0)))).value == 0.0
    assert wg.expectation(lambda x: x**2, wg.Normal([3.0], [[2.0]])).value == pytest.approx(11.0)


def test_blocks_of_covariances():
    blocks = BlockCovariance((DenseCovariance(np.eye(2)), DenseCovariance(np.ones((1, 1)))))
    assert wg.expectation(lambda x: x @ x, wg.Normal(np.zeros(3), blocks)).value == 3.0
