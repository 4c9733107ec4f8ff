"""Propagation to first and second order against exact oracles and published figures."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import stats

import wengert as wg
from wengert.expectation.quadratic_moments import quadratic_cumulant, terms_of

ASSEMBLY = "x1*x2^2/(15*(1.5 + x3))"
PARTS = {"x1": wg.Normal(24.0, 1.0), "x2": wg.Normal(37.0, 16.0), "x3": stats.expon(scale=0.5)}
GAUGE = {
    "ls": (50.000623e6, 25.0), "d": (215.0, 9.7), "da": (0.0, 0.58e-6), "th": (-0.1, 0.41),
    "as": (11.5e-6, 1.2e-6), "dt": (0.0, 0.029),
}  # fmt: skip


def gauge(x: Any) -> Any:
    return x["ls"] + x["d"] - x["ls"] * (x["da"] * x["th"] + x["as"] * x["dt"])


def moments(p: wg.Propagation) -> list[float]:
    return [float(x) for x in (p.mean, p.variance, p.skewness, p.kurtosis)]


# ---------------------------------------------------------------- exact oracles


def enumerated(q: Any, supports: list[Any], weights: list[Any]) -> list[float]:
    """Mean, variance, skewness, kurtosis of q over independent discrete inputs."""
    points = np.array(list(itertools.product(*supports)))
    mass = np.array([np.prod(w) for w in itertools.product(*weights)])
    values = np.array([q(x) for x in points])
    mean = mass @ values
    second, third, fourth = (mass @ (values - mean) ** k for k in (2, 3, 4))
    return [mean, second, third / second**1.5, fourth / second**2]


def quadratic(rng: Any, n: int) -> tuple[Any, Any, Any]:
    g, H = rng.normal(size=n), rng.normal(size=(n, n))
    return (lambda x: 1.5 + g @ x + 0.5 * x @ (H @ x)), g, H + H.T


@pytest.mark.parametrize("n", [1, 2, 4])
def test_moments_of_a_quadratic_of_discrete_inputs_are_those_of_all_cases(n: int) -> None:
    rng = np.random.default_rng(n)
    q, _, _ = quadratic(rng, n)
    supports = [np.sort(rng.integers(-9, 9, size=4)) + np.arange(4) for _ in range(n)]
    weights = [rng.dirichlet(np.ones(4)) for _ in range(n)]
    inputs = [stats.rv_discrete(values=(s, w))() for s, w in zip(supports, weights, strict=True)]
    found = moments(wg.propagate(q, inputs, 2))
    np.testing.assert_allclose(found, enumerated(q, supports, weights), rtol=1e-9)


def test_moments_of_a_quadratic_of_a_sample_are_those_of_its_values() -> None:
    rng = np.random.default_rng(0)
    q, _, _ = quadratic(rng, 3)
    rows = rng.normal(size=(50, 3)) ** 3
    values = np.array([q(x) for x in rows])
    found = moments(wg.propagate(q, wg.Draws(rows), 2))
    expected = [values.mean(), values.var(), stats.skew(values), stats.kurtosis(values) + 3]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("n", [1, 3, 6])
def test_moments_of_a_quadratic_of_correlated_gaussians(n: int) -> None:
    """κ_r = ½(r−1)! tr((HΣ)^r) + ½ r! gᵀ(ΣH)^(r−2)Σg."""
    rng = np.random.default_rng(n)
    q, _, _ = quadratic(rng, n)
    F, mean = rng.normal(size=(n, n)), rng.normal(size=n)
    sigma = F @ F.T
    g = wg.grad(q)(mean)
    H = wg.hessian(q)(mean)
    P = H @ sigma
    cumulants = [
        0.5 * factorial * np.trace(np.linalg.matrix_power(P, r))
        + 0.5 * r * factorial * g @ sigma @ np.linalg.matrix_power(P, r - 2) @ g
        for r, factorial in ((2, 1), (3, 2), (4, 6))
    ]
    k2, k3, k4 = cumulants
    expected = [q(mean) + 0.5 * np.trace(P), k2, k3 / k2**1.5, 3 + k4 / k2**2]
    found = moments(wg.propagate(q, wg.Normal(mean, sigma), 2))
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_correlated_gaussians_beside_independent_others() -> None:
    """Against Gauss rules of each input, on the principal axes of the Gaussian pair."""
    rng = np.random.default_rng(3)
    q, _, _ = quadratic(rng, 4)
    factor, mean = rng.normal(size=(2, 2)), np.array([0.5, -1.0])
    hermite, w = np.polynomial.hermite_e.hermegauss(6)
    laguerre, v = np.polynomial.laguerre.laggauss(6)
    legendre, u = np.polynomial.legendre.leggauss(6)
    rules = [hermite, hermite, 2 * laguerre, 1 + legendre]
    weights = [w / w.sum(), w / w.sum(), v, u / 2]

    def of_rules(z: Any) -> Any:
        return q(np.concatenate([mean + factor @ z[:2], z[2:]]))

    found = wg.propagate(
        lambda x: q(np.concatenate([x["a"], np.stack([x["b"], x["c"]])])),
        {"a": wg.Normal(mean, factor @ factor.T), "b": stats.expon(scale=2.0),
         "c": stats.uniform(0.0, 2.0)},
        2,
    )  # fmt: skip
    np.testing.assert_allclose(moments(found), enumerated(of_rules, rules, weights), rtol=1e-9)


@pytest.mark.parametrize("order", [1, 2])
def test_covariances_between_outputs_are_polarised_variances(order: int) -> None:
    def f(x: Any) -> Any:
        return np.stack([np.exp(x[0] * x[1]), np.sin(x[1]) + x[2] ** 2, x[0] * x[2]])

    inputs = [stats.gamma(2.0), stats.norm(0.3, 0.2), stats.beta(2.0, 5.0)]
    found = wg.covariance(f, inputs, order)
    for i, j in itertools.product(range(3), repeat=2):
        plus = wg.variance(lambda x, i=i, j=j: f(x)[i] + f(x)[j], inputs, order)
        minus = wg.variance(lambda x, i=i, j=j: f(x)[i] - f(x)[j], inputs, order)
        assert found[i, j] == pytest.approx((plus - minus) / 4, rel=1e-9, abs=1e-12)


def test_first_order_moments_are_of_the_linear_function() -> None:
    p = wg.propagate("a + 2*b", {"a": stats.expon(), "b": stats.uniform(0.0, 1.0)})
    variance = 1 + 4 / 12
    assert moments(p) == pytest.approx([
        2.0, variance, 2 / variance**1.5, 3 + (6 - 16 * 1.2 / 144) / variance**2
    ])  # fmt: skip


def test_diagrams_are_as_many_as_connected_partitions() -> None:
    """Counted by a Gaussian: κ_r of a sum of all terms with g = H = Σ = 1."""
    assert len(terms_of(4, True, frozenset([2]))) == 2
    one = np.ones((1, 1))
    assert quadratic_cumulant(np.ones(1), one, one, np.zeros((9, 1)), 4) == 3 + 12


def test_many_inputs_cost_matrix_products() -> None:
    n = 150
    p = wg.propagate(lambda x: np.sum(x) ** 2 / n, [stats.expon()] * n, 2)
    gamma = stats.gamma(n)  # the sum
    raw = [gamma.moment(2 * k) / n**k for k in range(1, 5)]
    mean = raw[0]
    second = raw[1] - mean**2
    third = raw[2] - 3 * mean * raw[1] + 2 * mean**3
    assert moments(p)[:3] == pytest.approx([mean, second, third / second**1.5], rel=1e-8)


# ---------------------------------------------------------------- published figures


def test_the_three_part_assembly_of_cox() -> None:
    for f in (ASSEMBLY, lambda x: x["x1"] * x["x2"] ** 2 / (15 * (1.5 + x["x3"]))):
        p = wg.propagate(f, PARTS, 2)
        assert moments(p) == pytest.approx([1176.45, 99699.6823, 0.7100769, 6.1611612], rel=1e-8)


def test_the_end_gauge_of_the_gum() -> None:
    first = wg.propagate(gauge, GAUGE, dof={"ls": 18, "d": 25.6, "da": 50, "dt": 2})
    assert float(first.mean) == pytest.approx(50.000838e6)
    assert round(float(first.std), 5) == 31.71061
    assert first.degrees_of_freedom == pytest.approx(16.7, abs=0.05)
    expanded = first.expanded(0.99)
    assert expanded.degrees_of_freedom == 16
    assert (round(float(expanded.factor), 2), round(float(expanded.uncertainty))) == (2.92, 93)
    second = wg.propagate(gauge, GAUGE, 2, convention="gum")
    assert round(float(second.std), 6) == 33.911150
    assert round(float(wg.propagate(gauge, GAUGE, 2).std), 6) == 33.911150


def test_the_resistance_and_reactance_of_the_gum() -> None:
    volts = [5.007, 4.994, 5.005, 4.990, 4.999]
    amperes = np.array([19.663, 19.639, 19.640, 19.685, 19.678]) / 1000
    radians = [1.0456, 1.0438, 1.0468, 1.0428, 1.0433]
    table = np.array([volts, amperes, radians])

    def impedance(x: Any) -> Any:
        Z = x[0] / x[1]
        return {"R": Z * np.cos(x[2]), "X": Z * np.sin(x[2]), "Z": Z}

    p = wg.propagate(impedance, wg.Normal(table.mean(axis=1), np.cov(table) / 5))
    assert {k: round(float(v), 3) for k, v in p.mean.items()} == {
        "R": 127.732, "X": 219.847, "Z": 254.260
    }  # fmt: skip
    assert {k: round(float(v), 3) for k, v in p.std.items()} == {"R": 0.071, "X": 0.296, "Z": 0.236}
    r = p.correlation
    assert [round(x, 3) for x in (r[0, 1], r[0, 2], r[1, 2])] == [-0.588, -0.485, 0.993]


def test_the_examples_of_uncertainties() -> None:
    p = wg.propagate("sin(x^2)", {"x": (0.20, 0.01)})
    assert (round(float(p.mean), 4), round(float(p.std), 4)) == (0.0400, 0.0040)
    p = wg.propagate("sin(1 + x^2)", {"x": (2.0, 0.25)})
    assert float(p.mean) == pytest.approx(-0.95892427466313845, rel=1e-15)
    assert float(p.std) == pytest.approx(0.2836621854632263, rel=1e-15)
    p = wg.propagate(np.mean, wg.Normal([1.0, 2.0], np.array([0.1, 0.2]) ** 2))
    assert (round(float(p.mean), 2), round(float(p.std), 2)) == (1.50, 0.11)
    assert float(wg.propagate("x - x", {"x": (1.0, 0.1)}).std) == 0.0


def test_the_area_of_a_circle_of_nist() -> None:
    p = wg.propagate(lambda R: np.pi * R**2, (2.8461, 0.005))
    assert (round(float(p.mean), 3), round(float(p.std), 3)) == (25.448, 0.089)


def test_what_the_first_order_misses() -> None:
    """x² at 0: the second order has E = σ² and Var = 2σ⁴."""
    assert float(wg.propagate("x^2", {"x": (0.0, 0.1)}).std) == 0.0
    p = wg.propagate("x^2", {"x": (0.0, 0.1)}, 2)
    assert moments(p) == pytest.approx([0.01, 2e-4, np.sqrt(8), 15.0])


# ---------------------------------------------------------------- the convention of the GUM


def test_the_second_order_of_the_gum_has_third_derivatives() -> None:
    def f(x: Any) -> Any:
        return np.exp(x[0]) * np.sin(x[1]) + x[0] ** 3

    mean, u = np.array([0.3, 0.7]), np.array([0.1, 0.2])
    c = wg.grad(f)(mean)
    H = wg.hessian(f)(mean)
    D = wg.derivative(f, order=3)(mean)
    expected = np.sum((c * u) ** 2) + sum(
        (0.5 * H[i, j] ** 2 + c[i] * D[i, j, j]) * (u[i] * u[j]) ** 2
        for i in range(2)
        for j in range(2)
    )
    p = wg.propagate(f, wg.Normal(mean, u**2), 2, convention="gum")
    assert float(p.variance) == pytest.approx(expected, rel=1e-12)
    assert float(p.mean) == pytest.approx(f(mean))
    assert np.isnan(p.skewness)


def test_the_gum_of_correlated_gaussians_does_not_depend_on_the_axes() -> None:
    def f(x: Any) -> Any:
        return np.exp(x[0]) * np.sin(x[1])

    rng = np.random.default_rng(0)
    F, mean = 0.2 * rng.normal(size=(2, 2)), np.array([0.3, 0.7])
    correlated = wg.propagate(f, wg.Normal(mean, F @ F.T), 2, convention="gum")
    plain = wg.propagate(lambda z: f(mean + F @ z), wg.Normal(np.zeros(2)), 2, convention="gum")
    assert float(correlated.variance) == pytest.approx(float(plain.variance), rel=1e-12)


def test_a_negative_variance_of_the_gum_is_an_error() -> None:
    with pytest.raises(wg.DomainError, match="convention='model'"):
        wg.propagate("sin(x)", {"x": (0.0, 1.5)}, 2, convention="gum")


# ---------------------------------------------------------------- the budget


def test_the_shares_of_a_first_order_budget() -> None:
    rows = wg.propagate("a*b", {"a": (2.0, 0.1), "b": (3.0, 0.2)}).budget().rows
    assert [r.name for r in rows] == ["b", "a"]
    assert [r.share for r in rows] == pytest.approx([0.64, 0.36])
    assert [r.contribution for r in rows] == pytest.approx([0.4, 0.3])


def test_the_shares_of_correlated_inputs_sum_to_the_variance() -> None:
    inputs = {"a": (1.0, 0.1), "b": (2.0, 0.3), "c": (3.0, 0.2)}
    p = wg.propagate("a*b - c", inputs, correlations={("b", "c"): 0.9})
    budget = p.budget()
    assert sum(r.share for r in budget.rows) == pytest.approx(1.0)
    assert not budget.rest
    assert "correlations" in budget.shares


def test_the_shares_of_the_second_order_are_those_of_sobol() -> None:
    """f = x + x² + xy of standard Gaussians: 1 + 2 of x alone, 1 of the product."""
    p = wg.propagate("x + x^2 + x*y", {"x": (0.0, 1.0), "y": (0.0, 1.0)}, 2)
    budget = p.budget()
    assert {r.name: r.share for r in (*budget.rows, *budget.rest)} == pytest.approx(
        {"x": 0.75, "y": 0.0, "interactions": 0.25}
    )


def test_a_budget_in_all_forms() -> None:
    inputs = {"a_1": (2.0, 0.1), "b": (3.0, 0.2)}
    budget = wg.propagate("a_1*b", inputs, 2).budget()
    lines = str(budget).splitlines()
    assert lines[0].split() == [
        "input",
        "estimate",
        "u",
        "sensitivity",
        "contribution",
        "share",
        "%",
    ]
    assert lines[2].split() == ["b", "3", "0.2", "2", "0.4", "63.90"]
    assert budget.to_markdown().splitlines()[2].startswith("| b | 3 | 0.2 |")
    assert r"a\_1 & 2 & 0.1" in budget.to_latex()
    numbers = budget.to_dict()
    assert [row["name"] for row in numbers["rows"]] == ["b", "a_1"]
    assert sum(r["share"] for r in (*numbers["rows"], *numbers["rest"])) == pytest.approx(1.0)


def test_a_report_has_a_budget_for_each_output() -> None:
    p = wg.propagate(lambda x: {"s": x["a"] + x["b"], "p": x["a"] * x["b"]},
                     {"a": (1.0, 0.1), "b": (2.0, 0.1)})  # fmt: skip
    assert str(p).startswith("2 inputs, 2 outputs, to order 1\n")
    assert "budget of p\n" in p.report()
    assert "budget of s\n" in p.report()


def test_welch_and_satterthwaite_by_hand() -> None:
    p = wg.propagate("a + b", {"a": (0.0, 3.0), "b": (0.0, 4.0)}, dof={"a": 9, "b": 16})
    assert float(p.degrees_of_freedom) == pytest.approx(5**4 / (3**4 / 9 + 4**4 / 16))
    found = p.expanded()
    assert float(found.factor) == pytest.approx(stats.t.ppf(0.975, 25 - 1 * (625 / 25 < 25)))
    assert float(p.expanded(k=2).uncertainty) == pytest.approx(10.0)
    assert float(wg.propagate("a", {"a": (0.0, 1.0)}).expanded().factor) == pytest.approx(1.959964)


# ---------------------------------------------------------------- ways to give inputs


def test_inputs_in_many_ways_are_the_same() -> None:
    f = "a*x'*x"
    x = wg.Normal([1.0, 2.0], 0.01)
    ways = [
        wg.propagate(f, {"a": (2.0, 0.0), "x": x}, 2),
        wg.propagate(f, {"a": 2.0, "x": x}, 2),
        wg.propagate(f, {"x": x}, 2, constants={"a": 2.0}),
        wg.propagate(f, x, 2, constants={"a": 2.0}),
        wg.propagate(wg.formula(f), {"a": 2.0, "x": x}, 2),
        wg.propagate(lambda z: 2.0 * z @ z, x, 2),
        wg.propagate(lambda d: d["a"] * d["x"] @ d["x"], {"a": 2.0, "x": x}, 2),
        wg.propagate(f, {"a": 2.0, "x": [stats.norm(1.0, 0.1), stats.norm(2.0, 0.1)]}, 2),
    ]
    for p in ways[1:]:
        np.testing.assert_allclose(moments(p), moments(ways[0]), rtol=1e-12)
    assert ways[1].inputs.labels == ("x[0]", "x[1]")


def test_a_correlation_matrix_is_the_pairs() -> None:
    inputs = {"a": (1.0, 0.1), "c": 7.0, "b": (2.0, 0.3)}
    pairs = wg.propagate("c*a*b", inputs, 2, correlations={("b", "a"): -0.4})
    matrix = wg.propagate("c*a*b", inputs, 2, correlations=[[1.0, -0.4], [-0.4, 1.0]])
    joint = wg.propagate(
        lambda x: 7 * x[0] * x[1],
        wg.Normal([1.0, 2.0], [[0.01, -0.012], [-0.012, 0.09]]), 2,
    )  # fmt: skip
    assert moments(pairs) == pytest.approx(moments(joint))
    assert moments(matrix) == pytest.approx(moments(joint))


def test_a_joint_gaussian_of_several_variables() -> None:
    F = np.random.default_rng(0).normal(size=(4, 4))
    mean, sigma = {"b": np.array([1.0, 2.0]), "a": 3.0, "c": np.array([0.5])}, 0.1 * F @ F.T
    joint = wg.propagate(lambda d: d["a"] * d["b"] @ d["b"] + d["c"][0], wg.Normal(mean, sigma), 2)
    flat = wg.propagate(
        lambda x: x[2] * x[:2] @ x[:2] + x[3], wg.Normal([1.0, 2.0, 3.0, 0.5], sigma), 2
    )
    assert moments(joint) == pytest.approx(moments(flat))
    assert joint.inputs.labels == ("b[0]", "b[1]", "a", "c[0]")
    with pytest.raises(wg.DomainError, match="already"):
        wg.propagate("a*b", wg.Normal({"a": 1.0, "b": 2.0}, 0.1), correlations={("a", "b"): 0.5})


def test_values_of_a_discrete_distribution_need_not_be_whole() -> None:
    values, weights = np.array([0.5, 1.25, 3.0, 7.0]), np.array([0.1, 0.2, 0.3, 0.4])
    for shift in (0.0, 2.5):
        given = stats.rv_discrete(values=(values, weights))(loc=shift)
        found = moments(wg.propagate("a^2", {"a": given}, 2))
        expected = enumerated(lambda x: x[0] ** 2, [values + shift], [weights])
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_correlated_inputs_that_are_not_gaussian_have_a_first_order() -> None:
    inputs = {"a": stats.uniform(0.0, 1.0), "b": (2.0, 0.3)}
    r = {("a", "b"): 0.5}
    p = wg.propagate("a*b", inputs, correlations=r)
    u = 1 / np.sqrt(12)
    expected = (2 * u) ** 2 + (0.5 * 0.3) ** 2 + 2 * 0.5 * (2 * u) * (0.5 * 0.3)
    assert float(p.variance) == pytest.approx(expected)
    assert np.isnan(p.skewness)
    with pytest.raises(wg.DomainError, match=r"a is correlated and not Gaussian.*order=1"):
        wg.propagate("a*b", inputs, 2, correlations=r)


def test_a_sample_beside_others_has_a_first_order() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 2))
    inputs = {"a": wg.Draws(rows), "b": (2.0, 0.3)}
    p = wg.propagate(lambda d: d["a"][0] + d["a"][1] + d["b"], inputs)
    assert float(p.variance) == pytest.approx(rows.sum(axis=1).var() + 0.09)
    assert np.isnan(p.skewness)


def test_moments_that_do_not_exist_are_nan() -> None:
    t = stats.t(5.5)
    p = wg.propagate("a^2", {"a": t}, 2)
    fourth = 3 * 5.5**2 / (3.5 * 1.5)
    assert moments(p)[:2] == pytest.approx([5.5 / 3.5, fourth - (5.5 / 3.5) ** 2])
    assert np.isnan(p.skewness)
    assert np.isnan(p.kurtosis)
    assert "–" in str(p)


def test_outputs_keep_their_shape() -> None:
    p = wg.propagate(lambda x: np.outer(x, x), wg.Normal([1.0, 2.0], 0.01), 2)
    assert p.mean.shape == p.variance.shape == p.skewness.shape == (2, 2)
    assert p.covariance.shape == (4, 4)
    assert wg.covariance(lambda x: np.outer(x, x), wg.Normal([1.0, 2.0], 0.01)).shape == (2,) * 4


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wg.propagate("a", {"a": (0.0, 1.0)}, 3), ValueError, "wg.expectation"),
        (lambda: wg.propagate("a", {"a": (0.0, 1.0)}, True), ValueError, "order 1 or 2"),
        (lambda: wg.propagate("a", {"a": (0.0, 1.0)}, convention="x"), ValueError, "'model' or"),
        (lambda: wg.propagate("a", {"a": (0.0, -1.0)}), wg.DomainError, "from 0 on"),
        (lambda: wg.propagate("a", {"a": (0.0, np.nan)}), wg.DomainError, "from 0 on"),
        (lambda: wg.propagate(np.sum, wg.Normal(np.zeros(0))), wg.DomainError, "no entries"),
        (lambda: wg.propagate(3, (0.0, 1.0)), TypeError, "takes a function"),
        (lambda: wg.propagate("a", {"a": 1.0}), wg.DomainError, "none of the inputs"),
        (lambda: wg.propagate("a", {"a": "x"}), wg.DomainError, "none of the inputs"),
        (lambda: wg.propagate("a", {"a": stats.cauchy()}), wg.DomainError, "finite mean"),
        (lambda: wg.propagate("a", {"a": wg.Normal("u", "S")}), wg.DomainError, "of numbers"),
        (lambda: wg.propagate("abs(a)", {"a": (0.0, 1.0)}), wg.WengertError, "kink"),
        (lambda: wg.propagate("log(a)", {"a": (0.0, 1.0)}), wg.DomainError, r"log\(a\) is -inf"),
        (lambda: wg.propagate("log(a)", {"a": (-1.0, 1.0)}), wg.DomainError, r"log\(a\) is nan"),
        (lambda: wg.propagate("a", {"a": (0.0, 1.0)}, constants={"a": 1.0}), wg.NameClashError,
         "give it once"),
        (lambda: wg.propagate("a*b", {"a": (0.0, 1.0)}), wg.NameClashError, "b"),
        (lambda: wg.propagate("a", {"a": (0.0, 1.0)}, dof={"b": 2}), wg.NameClashError, "'b'"),
        (lambda: wg.propagate("a", {"a": (0.0, 1.0)}, dof={"a": 0}), wg.DomainError, "positive"),
        (lambda: wg.propagate("a*b", {"a": (0.0, 1.0), "b": (0.0, 1.0)},
                              correlations={("a", "b"): 1.5}), wg.DomainError, "-1 and 1"),
        (lambda: wg.propagate("a*b", {"a": (0.0, 1.0), "b": (0.0, 1.0)},
                              correlations={("a", "c"): 0.5}), wg.NameClashError, "'c'"),
        (lambda: wg.propagate("a*b", {"a": (0.0, 1.0), "b": (0.0, 1.0)},
                              correlations={("a", "a"): 0.5}), wg.NameClashError, "twice"),
        (lambda: wg.propagate("a*b", {"a": (0.0, 1.0), "b": (0.0, 1.0)},
                              correlations={"a": 0.5}), TypeError, "got the key"),
        (lambda: wg.propagate("a*b", {"a": (0.0, 1.0), "b": (0.0, 1.0)},
                              correlations=np.eye(3)), wg.ShapeError, "a, b"),
        (lambda: wg.propagate("a*b*c", dict.fromkeys("abc", (0.0, 1.0)), correlations={
            ("a", "b"): 0.9, ("b", "c"): 0.9, ("a", "c"): -0.9}), wg.DomainError,
         "positive semidefinite"),
        (lambda: wg.propagate("a", {"a": (0.0, 1.0)}).budget(1), IndexError, "has 1"),
        (lambda: wg.propagate("abs(a)*b", {"b": (1.0, 1.0), "a": (0.0, 1.0)}), wg.KinkError,
         "where a = 0"),
        (lambda: wg.propagate("a", {"a": (0.0, 1e-200)}), wg.DomainError, "another unit"),
        (lambda: wg.propagate("a", {"a": (0.0, 1e200)}), wg.DomainError, "another unit"),
        (lambda: wg.propagate("a", {"a": (0.0, 1.0)}).expanded(k=-2), ValueError, "positive"),
        (lambda: wg.propagate("a", {"a": (0.0, 1.0)}).expanded(1.5), ValueError, "between 0"),
        (lambda: wg.propagate("a*b", {"a": (0.0, 1.0), "b": (0.0, 1.0)}, dof={"a": 3},
                              correlations={("a", "b"): 0.5}).expanded(), wg.DomainError, "k=2"),
        (lambda: wg.propagate(lambda d: d["a"].sum() * d["b"],
                              {"a": wg.Draws(np.eye(3)), "b": (0.0, 1.0)}, 2),
         wg.DomainError, "depend on each other"),
        (lambda: wg.propagate(lambda x: None, (0.0, 1.0)), wg.TracingError, "no array"),
    ],
)  # fmt: skip
def test_bad_input(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
