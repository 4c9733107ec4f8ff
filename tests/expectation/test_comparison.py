"""Rules against moments, simulations against rules, and when the report says not to trust."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy import stats

import wengert as wg
from wengert.expectation import inputs_of
from wengert.expectation.batches import Batches
from wengert.expectation.doubts import AxisSeries, doubts_of_series, series_along_axes
from wengert.expectation.monte_carlo import simulate
from wengert.expectation.quadrature import (
    gauss_normal,
    gauss_of,
    latents_of,
    sigma_points,
    sparse_rule,
    sparse_size,
    tensor_rule,
)

ASSEMBLY = "x1*x2^2/(15*(1.5 + x3))"
PARTS = {"x1": wg.Normal(24.0, 1.0), "x2": wg.Normal(37.0, 16.0), "x3": stats.expon(scale=0.5)}


def truth_of_the_assembly() -> tuple[float, float, float, float]:
    """Mean, variance, skewness and kurtosis from raw moments, to 30 digits."""
    mpmath.mp.dps = 30

    def normal(mean: float, std: float, k: int) -> Any:
        return sum(
            mpmath.binomial(k, j) * mpmath.mpf(mean) ** (k - j) * mpmath.mpf(std) ** j
            * mpmath.fac2(j - 1)
            for j in range(0, k + 1, 2)
        )  # fmt: skip

    def waiting(k: int) -> Any:
        return mpmath.quad(lambda x: 2 * mpmath.exp(-2 * x) / (mpmath.mpf(1.5) + x) ** k,
                           [0, 1, 4, 16, mpmath.inf])  # fmt: skip

    raw = [normal(24, 1, k) * normal(37, 4, 2 * k) / 15**k * waiting(k) for k in range(5)]
    mean = raw[1]
    central = [
        sum(mpmath.binomial(r, k) * raw[k] * (-mean) ** (r - k) for k in range(r + 1))
        for r in range(5)
    ]
    skewness, kurtosis = central[3] / central[2] ** 1.5, central[4] / central[2] ** 2
    return float(mean), float(central[2]), float(skewness), float(kurtosis)


# ---------------------------------------------------------------- Gauss rules


DISTRIBUTIONS = [
    stats.norm(3.0, 2.0), stats.uniform(-1.0, 3.0), stats.expon(scale=0.5), stats.gamma(0.3),
    stats.gamma(7.5, scale=2.0), stats.beta(0.5, 0.5), stats.arcsine(-1.0, 2.0),
    stats.poisson(3.0), stats.binom(9, 0.3), stats.lognorm(0.3),
    stats.rv_discrete(values=([0.5, 1.25, 3.0, 7.0], [0.1, 0.2, 0.3, 0.4]))(),
]  # fmt: skip


def raw_moments(component: Any, order: int) -> list[float]:
    """E X^k in closed form, by the name of the family."""
    name, mp = component.dist.name, mpmath
    args = component.args
    match name:
        case "norm":
            mu, sigma = args
            return [sum(float(mp.binomial(k, j)) * mu ** (k - j) * sigma**j * float(mp.fac2(j - 1))
                        for j in range(0, k + 1, 2)) for k in range(order + 1)]  # fmt: skip
        case "uniform":
            a, b = args[0], args[0] + args[1]
            return [(b ** (k + 1) - a ** (k + 1)) / ((k + 1) * (b - a)) for k in range(order + 1)]
        case "expon":
            return [float(mp.factorial(k)) * component.kwds["scale"] ** k for k in range(order + 1)]
        case "gamma":
            scale = component.kwds.get("scale", 1.0)
            return [float(mp.rf(args[0], k)) * scale**k for k in range(order + 1)]
        case "beta":
            return [
                float(mp.rf(args[0], k) / mp.rf(args[0] + args[1], k)) for k in range(order + 1)
            ]
        case "arcsine":  # of cos of a uniform angle
            return [float(mp.binomial(k, k // 2)) / 2**k * (k % 2 == 0) for k in range(order + 1)]
        case "lognorm":
            return [float(mp.exp(k**2 * args[0] ** 2 / 2)) for k in range(order + 1)]
    points = np.arange(200) if name in ("poisson", "binom") else np.array([0.5, 1.25, 3.0, 7.0])
    weights = component.pmf(points)
    return [float(weights @ points.astype(float) ** k) for k in range(order + 1)]


@pytest.mark.parametrize("component", DISTRIBUTIONS, ids=lambda c: c.dist.name)
@pytest.mark.parametrize("count", [1, 2, 4])
def test_gauss_rules_have_the_moments_of_their_degree(component: Any, count: int) -> None:
    rule = gauss_of(component)(count)
    x = rule.nodes + component.mean()
    expected = raw_moments(component, 2 * count - 1)
    found = [float(rule.weights @ x**k) for k in range(2 * count)]
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
    assert len(rule) == count


def test_a_discrete_distribution_of_few_values_is_its_own_rule() -> None:
    rule = gauss_of(stats.binom(2, 0.5))(5)
    np.testing.assert_allclose(rule.nodes, [-1, 0, 1])
    np.testing.assert_allclose(rule.weights, [0.25, 0.5, 0.25])


# ---------------------------------------------------------------- several variables


MIXED = {
    "a": wg.Normal([0.5, -1.0], [[1.0, 0.6], [0.6, 2.0]]), "b": stats.expon(scale=0.5),
    "c": stats.uniform(-1.0, 2.0),
}  # fmt: skip


def latents() -> Any:
    return latents_of(inputs_of(lambda x: x["b"], MIXED))


def exact_moment(powers: tuple[int, ...]) -> float:
    """Of the latent variables: a product of central moments."""
    a, b, c, d = powers
    normal = [1.0, 0.0, 1.0, 0.0, 3.0, 0.0, 15.0, 0.0, 105.0, 0.0, 945.0]
    derangements = [1, 0, 1, 2, 9, 44, 265, 1854, 14833, 133496, 1334961]
    uniform = [1 / (k + 1) if k % 2 == 0 else 0.0 for k in range(11)]
    return normal[a] * normal[b] * derangements[c] * 0.5**c * uniform[d]


@pytest.mark.parametrize("level", [0, 1, 2, 3, 4])
def test_a_sparse_grid_is_exact_to_total_degree_2_level_plus_1(level: int) -> None:
    found = latents()
    rule = sparse_rule(found, level)
    degrees = [p for p in itertools.product(range(2 * level + 2), repeat=4)
               if sum(p) <= 2 * level + 1]  # fmt: skip
    for powers in degrees:
        value = rule.weights @ np.prod(rule.nodes ** np.array(powers), axis=1)
        assert value == pytest.approx(exact_moment(powers), rel=1e-9, abs=1e-9), powers
    assert rule.weights.sum() == pytest.approx(1.0)
    beyond = [rule.weights @ rule.nodes[:, k] ** (2 * level + 2) for k in range(4)]
    exact = [exact_moment(tuple(np.eye(4, dtype=int)[k] * (2 * level + 2))) for k in range(4)]
    assert not np.allclose(beyond, exact)  # the degree is no higher


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_product_is_exact_to_its_degree_in_each_variable(count: int) -> None:
    rule = tensor_rule(latents(), count)
    assert len(rule) == count**4
    for powers in itertools.product(range(2 * count), repeat=4):
        value = rule.weights @ np.prod(rule.nodes ** np.array(powers), axis=1)
        assert value == pytest.approx(exact_moment(powers), rel=1e-9, abs=1e-9), powers


def test_points_have_the_mean_and_the_covariance_of_the_inputs() -> None:
    inputs = inputs_of(lambda x: x["b"], MIXED)
    found = latents_of(inputs)
    rule = sparse_rule(found, 2)
    points = found.points(rule)
    mean = rule.weights @ points
    np.testing.assert_allclose(mean, inputs.mean, atol=1e-12)
    centred = points - mean
    covariance = (centred * rule.weights[:, None]).T @ centred
    np.testing.assert_allclose(covariance, inputs.covariance, atol=1e-11)


@pytest.mark.parametrize(("d", "level"), [(1, 3), (2, 4), (5, 3), (20, 2)])
def test_a_sparse_grid_is_no_larger_than_foretold(d: int, level: int) -> None:
    found = latents_of(inputs_of(lambda x: x, [stats.norm()] * d))
    assert len(sparse_rule(found, level)) <= sparse_size(d, level)


@pytest.mark.parametrize(
    "options", [{}, {"alpha": 0.1, "beta": 2.0}, {"kappa": 1.0}, {"alpha": 1e-3, "kappa": 0.0}]
)
def test_sigma_points_have_mean_and_covariance(options: dict[str, float]) -> None:
    rng = np.random.default_rng(0)
    mean, directions = rng.normal(size=3), rng.normal(size=(2, 3))
    points, weights, around = sigma_points(mean, directions, **options)
    assert len(points) == 5
    assert weights.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(weights @ points, mean, atol=1e-7)
    centred = points - mean
    np.testing.assert_allclose(
        (centred * around[:, None]).T @ centred, directions.T @ directions, rtol=1e-6, atol=1e-9
    )


def test_sigma_points_of_one_gaussian_are_its_gauss_rule() -> None:
    points, weights, _ = sigma_points(np.zeros(1), np.eye(1))
    rule = gauss_normal(3)
    np.testing.assert_allclose(np.sort(points[:, 0]), rule.nodes, atol=1e-14)
    np.testing.assert_allclose(np.sort(weights), np.sort(rule.weights))


# ---------------------------------------------------------------- simulation


def test_a_simulation_has_moments_and_errors_of_its_draws() -> None:
    inputs = inputs_of(lambda x: np.stack([x[0] * x[1], np.exp(x[0])]), wg.Normal([1.0, 2.0], 0.1))
    found = simulate(inputs, 40_000, 3)
    draws = found.draws
    assert len(draws) == 40_000
    np.testing.assert_allclose(found.mean, draws.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.variance, draws.var(axis=0, ddof=1), rtol=1e-10)
    np.testing.assert_allclose(found.mean_error, draws.std(axis=0, ddof=1) / 200, rtol=1e-10)
    fourth = ((draws - draws.mean(axis=0)) ** 4).mean(axis=0)
    expected = np.sqrt((fourth - draws.var(axis=0) ** 2) / 40_000)
    np.testing.assert_allclose(found.variance_error, expected, rtol=1e-8)
    again = simulate(inputs, 40_000, 3)
    np.testing.assert_array_equal(found.draws, again.draws)
    assert not np.array_equal(found.draws, simulate(inputs, 40_000, 4).draws)


def test_a_function_that_branches_is_run_one_by_one() -> None:
    def f(x: Any) -> Any:
        return x[0] if x[1] > 0 else -x[0]

    inputs = inputs_of(f, wg.Normal([1.0, 0.5], 0.1))
    found = simulate(inputs, 500, 0)
    assert not found.batched
    rows = inputs.sample(np.random.default_rng(0), 500)
    np.testing.assert_allclose(found.mean[0], np.mean([f(x) for x in rows]))


def test_batches_are_what_the_function_gives_row_by_row() -> None:
    def f(x: Any) -> Any:
        return {"p": x["a"] @ x["a"], "q": np.outer(x["a"], x["a"]) * x["b"]}

    inputs = inputs_of(f, {"a": wg.Normal([1.0, 2.0], 0.1), "b": (3.0, 0.1)})
    rows = np.random.default_rng(0).normal(size=(7, 3))
    found = Batches(inputs)(rows)
    for row, x in zip(found, rows, strict=True):
        result = inputs.function(x)
        np.testing.assert_allclose(row, [result["p"], *result["q"].ravel()])


def test_an_interrupt_keeps_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(100))
    inputs = inputs_of(lambda x: x**2, (1.0, 0.1))
    sample = type(inputs).sample

    def impatient(self: Any, generator: Any, size: int) -> Any:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return sample(self, generator, size)

    monkeypatch.setattr(type(inputs), "sample", impatient)
    found = simulate(inputs, 10**6, 0)
    assert found.interrupted
    assert found.samples == 2 * Batches(inputs).rows
    assert found.mean[0] == pytest.approx(1.01, abs=5 * found.mean_error[0])


def test_a_progress_bar_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    inputs = inputs_of(lambda x: x**2, (1.0, 0.1))
    simulate(inputs, 1000, 0, progress=True)
    simulate(inputs, 1000, 0, progress=False)
    assert capsys.readouterr().out == ""


# ---------------------------------------------------------------- the report


def test_the_assembly_is_not_to_be_trusted() -> None:
    mean, variance, skewness, kurtosis = truth_of_the_assembly()
    assert (round(mean, 4), round(variance, 2)) == (1161.5551, 117157.82)
    assert (round(skewness, 5), round(kurtosis, 5)) == (0.36472, 3.06081)
    found = wg.compare_expectation(ASSEMBLY, PARTS, samples=100_000)
    assert found["Taylor, order 2"].mean[0] == pytest.approx(1176.45)
    gauss = found["Gauss rule, 9 nodes each"]
    assert gauss.mean[0] == pytest.approx(mean, rel=1e-6)
    assert gauss.std[0] == pytest.approx(np.sqrt(variance), rel=1e-4)
    simulated = found["Monte Carlo"]
    assert abs(simulated.mean[0] - mean) < 5 * simulated.mean_error[0]
    assert not found.trusted
    text = str(found)
    assert (
        "the Taylor series along x3 diverges: from order 4 on its terms grow faster and faster"
        in text
    )
    assert "standard errors apart" in text


def test_the_series_of_the_assembly_by_hand() -> None:
    """Along x3: 15 · 1095.2 · 2 / 15 · E (−δ/2)^k / 2 with E δ^k = D_k / 2^k."""
    inputs = inputs_of(ASSEMBLY, PARTS)
    series = series_along_axes(inputs, latents_of(inputs))
    assert series is not None
    derangements = np.array([1, 0, 1, 2, 9, 44, 265, 1854, 14833])
    k = np.arange(9)
    expected = 1095.2 * (-0.5) ** k * derangements * 0.5**k
    np.testing.assert_allclose(series.terms[:, 2, 0], expected, rtol=1e-8, atol=1e-10)


def test_means_of_higher_orders_are_those_of_the_expectation() -> None:
    inputs = {
        "x": wg.Normal([0.2, 0.3], [[0.01, 0.005], [0.005, 0.02]]),
        "y": stats.expon(0.0, 0.1),
    }
    pairs = {("a", "c"): 0.5}

    def f(d: Any) -> Any:
        return np.exp(d["x"][0] * d["x"][1] + d["y"])

    found = wg.compare_expectation(f, inputs, samples=100)
    expected = wg.expectation(f, inputs, order=6).partial_sums
    assert found["Taylor, order 4"].mean[0] == pytest.approx(expected[4], rel=1e-12)
    assert found["Taylor, order 6"].mean[0] == pytest.approx(expected[6], rel=1e-12)
    crossed = wg.compare_expectation(
        "exp(a*b*c)", dict.fromkeys("abc", (0.3, 0.2)), samples=100, correlations=pairs
    )
    gauss = crossed["Gauss rule"].mean[0]
    errors = [abs(crossed[f"Taylor, order {k}"].mean[0] - gauss) for k in (1, 2, 4, 6)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-4 * gauss


def test_a_harmless_function_is_trusted() -> None:
    found = wg.compare_expectation("exp(a)*b", {"a": (0.0, 0.05), "b": (2.0, 0.1)}, samples=20_000)
    assert found.trusted
    assert "nothing was found that speaks against" in str(found)


def test_terms_that_rise_and_fall_again_do_not_diverge() -> None:
    inputs = inputs_of("exp(a)", {"a": (0.0, 1.9)})
    series = series_along_axes(inputs, latents_of(inputs))
    assert series is not None
    assert np.argmax(series.terms[:, 0, 0]) == 2
    doubts = doubts_of_series(series, 2, np.array([30.0]), ("f",))
    assert not any("diverges" in d for d in doubts)


def test_terms_that_still_grow_but_slower_need_not_diverge() -> None:
    inputs = inputs_of("exp(a)", {"a": (0.0, 3.0)})
    series = series_along_axes(inputs, latents_of(inputs))
    assert series is not None
    doubts = doubts_of_series(series, 2, np.array([30.0]), ("f",))
    assert "from 4.5 to 17.1 at order 8: it diverges, or converges at much" in doubts[0]


def test_a_next_term_of_what_does_not_vary_to_the_order() -> None:
    inputs = inputs_of("a^4", {"a": (0.0, 1.0)})
    series = series_along_axes(inputs, latents_of(inputs))
    assert series is not None
    (doubt,) = doubts_of_series(series, 2, np.zeros(1), ("f",))
    assert "by 3, inf %" in doubt


def test_a_next_term_that_is_not_small() -> None:
    terms = np.zeros((9, 1, 1))
    terms[4] = 0.5
    (doubt,) = doubts_of_series(AxisSeries(("x",), terms), 2, np.array([1.0]), ("f",))
    assert "orders 3 and 4" in doubt
    assert "50 %" in doubt


def test_a_kink_within_the_mass_is_a_doubt() -> None:
    near = wg.compare_expectation("abs(x - 1)", {"x": (1.3, 0.2)}, 1, samples=100)
    said = "the function is not smooth within the mass: abs has a kink where x − 1 = 0"
    assert any(d.startswith(said) for d in near.doubts)
    far = wg.compare_expectation("abs(x - 1)", {"x": (3.0, 0.2)}, 1, samples=2000)
    assert far.trusted


def test_values_that_are_not_defined_are_counted() -> None:
    found = wg.compare_expectation("log(x)", {"x": (1.0, 0.4)}, samples=20_000)
    expected = stats.norm(1.0, 0.4).cdf(0.0) * 20_000
    assert found.simulation.undefined == pytest.approx(expected, abs=5 * np.sqrt(expected))
    assert f"{found.simulation.undefined} of 20000 draws gave no finite value" in str(found)


def test_a_sample_is_run_as_a_whole() -> None:
    rows = np.random.default_rng(0).normal(size=(30, 3))
    found = wg.compare_expectation(lambda x: np.sin(np.sum(x)), wg.Draws(rows), samples=100)
    values = np.sin(rows.sum(axis=1))
    assert found["the whole sample"].mean[0] == pytest.approx(values.mean())
    assert found["the whole sample"].std[0] == pytest.approx(values.std())
    assert "there is no rule for" in str(found)


def test_many_inputs_leave_out_what_is_too_large() -> None:
    found = wg.compare_expectation(
        lambda x: np.exp(np.sum(x) / 20), wg.Normal(np.zeros(25), 0.1), samples=2000
    )
    assert "a product of Gauss rules in 25 variables is too large" in found.notes
    exact = np.exp(0.5 * 25 * 0.1 / 400)
    assert found["sparse grid"].mean[0] == pytest.approx(exact, rel=1e-6)
    with pytest.raises(KeyError, match="no method"):
        _ = found["Gauss rule"]


def test_several_outputs_have_a_table_each() -> None:
    found = wg.compare_expectation(
        lambda x: {"s": x["a"] + x["b"], "p": x["a"] * x["b"]},
        {"a": (1.0, 0.1), "b": (2.0, 0.1)}, samples=1000,
    )  # fmt: skip
    assert len(found.tables) == 2
    assert found["Gauss"].mean == pytest.approx([2.0, 3.0])
    assert found["Gauss"].std == pytest.approx([np.sqrt(0.0501), np.sqrt(0.02)])


def test_figures_are_written(tmp_path: Path) -> None:
    found = wg.compare_expectation(ASSEMBLY, PARTS, samples=2000)
    figure = found.plot(str(tmp_path / "both.png"))
    assert (tmp_path / "both.png").stat().st_size > 10_000
    left, right = figure.axes
    assert left.get_xlabel() == "f"
    assert [t.get_text() for t in right.get_yticklabels()] == ["interactions", "x1", "x3", "x2"]
    found.propagation.budget().plot(str(tmp_path / "bars.svg"))
    assert (tmp_path / "bars.svg").stat().st_size > 1000


def test_a_figure_of_what_does_not_vary() -> None:
    found = wg.compare_expectation("0*x + 1", {"x": (0.0, 1.0)}, samples=100)
    found.plot()


@pytest.mark.parametrize("samples", [0, 1, 2.5, True])
def test_samples_are_a_number_from_2_on(samples: Any) -> None:
    with pytest.raises(ValueError, match="from 2 on"):
        wg.compare_expectation("a", {"a": (0.0, 1.0)}, samples=samples)


@pytest.mark.parametrize("order", [0, 3, "2"])
def test_orders_are_1_and_2(order: Any) -> None:
    with pytest.raises(ValueError, match="order"):
        wg.compare_expectation("a", {"a": (0.0, 1.0)}, order, samples=100)


def test_rules_of_moments_that_do_not_exist_are_said_to_be_none() -> None:
    found = wg.compare_expectation("cos(x)", {"x": stats.t(3)}, samples=1000)
    assert not [m for m in found.methods if m.name.startswith("Gauss")]
    assert "no Gauss rule" in str(found)
    assert "does not exist" in str(found)


def test_a_constant_has_no_spread() -> None:
    found = wg.compare_expectation(lambda x: 0 * x + 0.1, (0.5, 1.0), samples=100)
    assert all(m.std[0] == 0 for m in found.methods if not np.isnan(m.std[0]))
