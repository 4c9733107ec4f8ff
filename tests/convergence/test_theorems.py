"""Bounds lie above measured runs, are met where they are called tight, and are inverted."""

from __future__ import annotations

import contextlib
import math
import os
import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.convergence import (
    Applied,
    Constant,
    Constants,
    Convexity,
    Facts,
    silences_for,
    theorems_for,
)
from wengert.convergence.theorems import SILENCES, THEOREMS
from wengert.convergence.theorems.applying import applied as held_against
from wengert.convergence.theorems.schedules import last_iterate_sum, step_at, total
from wengert.convergence.theorems.theorem import MissingError
from wengert.convergence.theorems.worst_cases import chain, huber, huber_for_nesterov, quadratic

from .problems import (
    Known,
    constants,
    exceeds,
    logistic_ridge,
    mean_of,
    measured,
    of_worst,
    random_huber,
    random_quadratic,
    rows_problem,
)

BY_NAME = {one.name: one for one in THEOREMS}
PROBLEMS = {
    "strongly convex quadratic": lambda: random_quadratic(1, 0.1),
    "convex quadratic": lambda: random_quadratic(2, 0.0),
    "huber": lambda: random_huber(3),
    "logistic": lambda: logistic_ridge(4),
    "slowest": lambda: of_worst(huber(20)),
}
SHARES = (0.3, 1.0, 1.4, 1.9)  # of 1/L


def applied(known: Known, method: Any) -> list[Applied]:
    return [one for one in theorems_for(known.facts(method)) if one.applies]


def methods(known: Known) -> list[Any]:
    smooth = known.constants["L"].value
    mu = known.given().get("mu", 0.0)
    found = [
        *(wg.GradientDescent(share / smooth) for share in SHARES),
        wg.GradientDescent(),
        wg.GradientDescent(wg.Backtracking(decrease=0.3)),
        wg.GradientDescent(wg.Backtracking(first=0.1, shrink=0.7, grow=1.0)),
        *(wg.Nesterov(share / smooth) for share in (0.4, 1.0)),
        wg.Momentum(1 / smooth, 0.5),
        wg.Momentum(1.9 / smooth, 0.9),
        wg.Newton(),
        wg.Newton(wg.Backtracking(decrease=0.2)),
        wg.Newton(1.0),
        wg.Newton(0.5),
    ]
    if mu > 0:
        found += [
            wg.GradientDescent(2 / (smooth + mu)),
            wg.Nesterov(1 / smooth, strong_convexity=mu),
            wg.Nesterov(0.5 / smooth, strong_convexity=mu / 3),
            wg.Nesterov(1 / smooth, momentum=0.9),
        ]
    if known.quadratic:
        found.append(wg.GradientDescent(wg.Exact()))
    return found


@pytest.mark.parametrize("name", sorted(PROBLEMS))
def test_no_run_is_above_its_bounds(name: str) -> None:
    known = PROBLEMS[name]()
    seen = 0
    for method in methods(known):
        theorems = applied(known, method)
        if not theorems:
            continue
        steps, curves = measured(known, method, 40)
        for one in theorems:
            curve = one.curve(steps)
            assert not exceeds(curve.value, curves[curve.quantity]), (method, one.theorem.name)
            gap = one.gap_curve(steps)
            assert gap is None or not exceeds(gap.value, curves["gap"]), one.theorem.name
            seen += 1
    assert seen > 20


def test_newton_is_below_its_bounds_from_near_the_minimum() -> None:
    known = logistic_ridge(4)
    start = known.minimizer + 0.005
    values = known.values(start)
    gap = values[0] - known.values(known.minimizer)[0]
    near = known.given(R=math.sqrt(values[1]), gap0=gap)
    known = replace(known, theta0=start, constants=constants(**near))
    for method in (wg.Newton(1.0), wg.Newton(0.7), wg.Newton(1.3), wg.Newton()):
        theorems = applied(known, method)
        assert theorems
        steps, curves = measured(known, method, 6)
        for one in theorems:
            curve = one.curve(steps)
            assert not exceeds(curve.value, curves[curve.quantity], 1e-14), one.theorem.name
    far = replace(known, constants=constants(**known.given(R=50.0)))
    assert theorems_for(far.facts(wg.Newton(1.0)))[0].status == "violated"


def test_polyak_lojasiewicz_without_convexity() -> None:
    # x² + 3 sin² x has PL = 1/32 and L = 8 (Karimi, Nutini and Schmidt, section 2).
    start = np.array([2.0])

    def f(x: Any) -> Any:
        return np.sum(x**2 + 3 * np.sin(x) ** 2)

    own = constants(L=8.0, PL=1 / 32, R=2.0, gap0=float(f(start)))
    known = Known(f, start, np.zeros(1), own, "nonconvex")
    names: set[str] = set()
    reasons: list[str] = []
    for method in (wg.GradientDescent(1 / 8), wg.GradientDescent(0.2), wg.GradientDescent()):
        steps, curves = measured(known, method, 60)
        for one in theorems_for(known.facts(method)):
            if not one.applies:
                reasons.append(one.reason)
                continue
            names.add(one.theorem.name)
            curve = one.curve(steps)
            assert not exceeds(curve.value, curves[curve.quantity]), one.theorem.name
    assert any("f is convex: violated (refuted)" in reason for reason in reasons)
    assert "gradient descent, Polyak-Łojasiewicz" in names
    assert "gradient descent, smooth: smallest gradient, any step below 2/L" in names


# ---------------------------------------------------------------- tight ones


@pytest.mark.parametrize("share", [0.5, 1.0])
@pytest.mark.parametrize("steps", [1, 7, 40])
def test_the_exact_bound_is_met(steps: int, share: float) -> None:
    for modulus, name in ((0.0, "convex and smooth: exact"), (0.05, "strongly convex: gap by the")):
        worst = huber(steps, smoothness=2.0, modulus=modulus, distance=3.0, alpha=share / 2)
        known = of_worst(worst, "strongly convex" if modulus else "convex")
        one = next(t for t in THEOREMS if name in t.name)
        method = wg.GradientDescent(share / 2)
        last = measured(known, method, steps)[1]["gap"][-1]
        bound = float(one.at(steps, known.facts(method)))
        assert last == pytest.approx(bound, rel=1e-9)
        if not modulus and share == 1.0:
            assert bound == pytest.approx(2.0 * 9.0 / (4 * steps + 2))


def test_the_gradient_bounds_are_met() -> None:
    # On Huber's function whose edge is reached just after the last step.
    steps, method = 6, wg.GradientDescent(1.0)
    case = huber(steps)
    start = case.function.edge * (steps + 1)
    known = replace(of_worst(case), theta0=np.array([start]))
    own = constants(L=1.0, R=start, gap0=known.values([start])[0])
    known = replace(known, constants=own)
    last = measured(known, method, steps)[1]["squared gradient"][-1]
    for name in ("gradient by the gap", "gradient by the distance"):
        one = BY_NAME[f"gradient descent, convex and smooth: {name}"]
        assert last == pytest.approx(float(one.at(steps, known.facts(method))), rel=1e-9)


@pytest.mark.parametrize("alpha", [0.3, 2 / 2.1, 0.98])
def test_contractions_are_met_by_quadratics(alpha: float) -> None:
    case = quadratic([0.1, 2.0], [0.0, 1.0] if alpha > 2 / 2.1 else [1.0, 0.0])
    known = of_worst(case, "strongly convex", quadratic=True)
    method = wg.GradientDescent(alpha)
    steps, curves = measured(known, method, 12)
    for kind in ("gap", "distance"):
        one = BY_NAME[f"gradient descent, strongly convex: {kind}"]
        bound = one.at(steps, known.facts(method))
        np.testing.assert_allclose(curves[one.quantity], bound, rtol=1e-6)


def test_exact_steps_are_slowest_between_the_ends_of_the_spectrum() -> None:
    case = quadratic([0.5, 4.0], [1 / 0.5, 1 / 4.0])
    known = of_worst(case, "strongly convex", quadratic=True)
    method = wg.GradientDescent(wg.Exact())
    steps, curves = measured(known, method, 10)
    one = BY_NAME["steepest descent with exact steps"]
    np.testing.assert_allclose(curves["gap"], one.at(steps, known.facts(method)), rtol=1e-8)


@pytest.mark.parametrize("steps", [1, 5, 20])
def test_nesterov_on_its_slowest_known_function(steps: int) -> None:
    known = of_worst(huber_for_nesterov(steps))
    method = wg.Nesterov(1.0)
    one = BY_NAME["Nesterov's method, convex and smooth"]
    facts = known.facts(method)
    last = measured(known, method, steps)[1]["gap"][-1]
    assert one.attained is not None
    assert last == pytest.approx(float(one.attained(np.array(steps), facts)), rel=1e-9)
    assert last <= float(one.at(steps, facts)) <= 2 / (steps * (steps + 1))  # 2LR²/(T(T + 1))


def test_nothing_is_faster_than_the_chain_allows() -> None:
    known = of_worst(chain(41))
    R, L = known.constants["R"].value, known.constants["L"].value
    for method in (wg.GradientDescent(1 / L), wg.Nesterov(1 / L)):
        steps, curves = measured(known, method, 20)
        assert np.all(curves["gap"] >= 3 * L * R**2 / (32 * 21**2))
        for one in applied(known, method):
            curve = one.curve(steps)
            assert not exceeds(curve.value, curves[curve.quantity]), one.theorem.name


def test_a_wrong_bound_is_seen() -> None:
    known, method = of_worst(huber(20)), wg.GradientDescent(1.0)
    steps, curves = measured(known, method, 20)
    one = BY_NAME["gradient descent, convex and smooth: exact"]
    bound = one.at(steps, known.facts(method))
    assert not exceeds(bound, curves["gap"])
    assert exceeds(0.9 * bound, curves["gap"])


# ---------------------------------------------------------------- inverses, constants, words


def _every_case() -> list[tuple[Facts, Applied]]:
    known = constants(
        L=2.0,
        mu=0.1,
        R=0.3,
        gap0=0.08,
        PL=0.1,
        M=0.5,
        D=1.5,
        Lmax=6.0,
        Gstoch=3.0,
        sigma2=2.0,
        sigma2_star=0.0,
    )
    every = [
        *(wg.GradientDescent(share / 2) for share in SHARES),
        wg.GradientDescent(),
        wg.GradientDescent(wg.Backtracking()),
        wg.GradientDescent(wg.Exact()),
        wg.Nesterov(0.5),
        wg.Nesterov(0.5, strong_convexity=0.1),
        wg.Momentum(0.5, 0.5),
        wg.Newton(),
        wg.Newton(1.0),
        wg.Newton(0.5),
        wg.SGD(4, 0.02),
        *(
            wg.SGD(4, rule, replacement=True, average=average)
            for average in (None, "all", "tail", "weighted")
            for rule in (0.02, wg.InverseSqrt(0.1), wg.Inverse(20.0))
        ),
    ]
    found: list[tuple[Facts, Applied]] = []
    for method in every:
        step = method.step if isinstance(method.step, float) else 0.4
        facts = Facts(
            method,
            known,
            Convexity("strongly convex"),
            step,
            rows=40,
            shuffled=True,
            quadratic=True,
            rows_convex=True,
            rows_modulus=0.1,
        )
        found += [(facts, one) for one in theorems_for(facts) if one.applies]
    return found


CASES = _every_case()


def test_every_theorem_applies_somewhere() -> None:
    assert {one.theorem.name for _, one in CASES} == set(BY_NAME)
    assert len(BY_NAME) == len(THEOREMS)


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_steps_to_inverts_the_bound(name: str) -> None:
    for facts, one in CASES:
        if one.theorem.name != name:
            continue
        for share in (0.5, 1e-2, 1e-4):
            eps = share * float(one.theorem.at(2, facts))
            if eps == 0:
                continue
            steps = one.theorem.steps_to(eps, facts)
            if math.isinf(steps):
                assert one.theorem.at(1e15, facts) > eps
                continue
            at = one.theorem.at([steps, steps - 1], facts)
            assert at[0] <= eps * (1 + 1e-9)
            assert steps == 0 or at[1] > eps * (1 - 1e-9)


HARDER = ["L", "R", "gap0", "Gstoch", "sigma2", "sigma2_star", "M", "mu"]


@pytest.mark.parametrize("symbol", HARDER)
def test_bounds_grow_with_what_makes_a_problem_harder(symbol: str) -> None:
    grid = np.array([1.0, 2.0, 3.0, 10.0, 50.0, 200.0])
    seen = 0
    for facts, one in CASES:
        values = {s: c.value for s, c in facts.constants.items()}
        values[symbol] = 0.01 if not values[symbol] else values[symbol] * 1.02
        if symbol == "mu":
            values["mu"] = 0.098
        harder = replace(facts, constants=constants(**values))
        if not held_against(one.theorem, harder).applies:
            continue
        before, after = one.theorem.at(grid, facts), one.theorem.at(grid, harder)
        assert np.all((after >= before * (1 - 1e-12)) | np.isinf(before)), one.theorem.name
        seen += bool(np.any(after > before))
    assert seen > 0


def test_sums_over_schedules() -> None:
    counts = np.array([0, 1, 3, 64, 65, 1000])
    for schedule in (wg.Fixed(0.3), wg.InverseSqrt(0.3), wg.Inverse(0.3, offset=2.5)):
        for power in (1, 2):
            each = step_at(schedule, np.arange(1000.0)) ** power
            by_hand = np.concatenate([[0.0], np.cumsum(each)])[counts]
            np.testing.assert_allclose(total(schedule, counts, power), by_hand, rtol=1e-9)
        for n in (0, 1, 20, 3000):
            squares = np.array([schedule(t) ** 2 for t in range(n + 1)])
            k = np.arange(1, n + 1)
            tails = np.cumsum(squares[::-1])[1:]
            exact = np.sum(tails / (k * (k + 1)))
            found = float(last_iterate_sum(schedule, n))
            assert exact * (1 - 1e-9) <= found <= exact * 1.02


def test_a_step_that_is_too_long_is_said() -> None:
    facts = replace(CASES[0][0], method=wg.GradientDescent(1.1), step=1.1)
    for one in theorems_for(facts):
        assert one.status == "violated"
        assert "α = 1.1" in one.reason
        assert math.isnan(one.steps_to(1e-3))
        with pytest.raises(ValueError, match="α"):
            one.curve([0, 1])


def test_assumptions_are_judged_by_how_sure_constants_are() -> None:
    def status(kind: Any, verdict: str = "convex", alpha: float = 0.5) -> str:
        smooth = Constant("L", "smoothness", 2.0, kind, "somehow")
        far = Constant("R", "distance", 1.0, "exact", "known")
        own = Constants((smooth, far))
        facts = Facts(wg.GradientDescent(alpha), own, Convexity(verdict), alpha)
        name = "gradient descent, convex and smooth: exact"
        return next(a.status for a in theorems_for(facts) if a.theorem.name == name)

    assert status("exact") == status("bound") == "proven"
    assert status("estimate") == "estimated"
    assert status("exact", "undecided") == "unknown"
    assert status("exact", "nonconvex") == "violated"
    assert status("exact", alpha=1.0) == status("estimate", alpha=1.0) == "violated"
    assert status("bound", alpha=1.0) == "unknown"  # L may be smaller than its bound


def test_a_gradient_bound_that_holds_nearby_only_proves_nothing() -> None:
    def judged(mu: float = 0.0, within: str = "") -> str:
        bound = Constant("Gstoch", "G", 1.0, "bound", "|ℓ'| ≤ 1", within=within)
        own = Constants((bound, *constants(R=1.0, mu=mu).found))
        method = wg.SGD(1, 0.1, replacement=True)
        return theorems_for(Facts(method, own, Convexity("convex"), 0.1))[0].status

    assert judged() == "proven"
    assert judged(mu=0.1) == "estimated"  # gradients of such a function are not bounded
    assert judged(within="within distance R of θ*") == "estimated"


def test_what_applies_has_all_it_needs() -> None:
    grid = np.array([0.0, 1.0, 7.0])
    for facts, one in CASES:
        for symbol in (*one.theorem.needs, None):
            left = tuple(c for c in facts.constants.found if c.symbol != symbol)
            step = facts.step if symbol else None
            less = replace(facts, constants=Constants(left), step=step)
            found = held_against(one.theorem, less)
            if found.applies:
                assert np.all(found.curve(grid).value >= 0)


def test_reshuffling_within_epochs() -> None:
    known = rows_problem(5)
    method = wg.SGD(4, 1 / known.constants["Lmax"].value)
    (one,) = applied(known, method)
    at, curves = mean_of(known, method, 23, 30, 1)
    mean, error = curves["squared distance"]
    assert not exceeds(one.curve(at).value, mean - 3 * error)
    steps = one.theorem.steps_to(1.5 * float(one.theorem.at(1e6, one.facts)), one.facts)
    assert steps % 5 == 0


def test_an_estimate_of_gradient_domination_is_not_above_the_curvature_at_the_minimum() -> None:
    # Along the flattest direction ½‖∇f‖²/(f − f*) goes to that; a path may never see it.
    seen = Constant("PL", "PL", 1.9, "estimate", "the least of 9 points")
    for flattest, expected in ((0.01, 0.01), (3.0, 1.9), (0.0, 1.9)):
        own = Constants((seen, *constants(mu_star=flattest).found))
        facts = Facts(wg.GradientDescent(0.1), own, Convexity("undecided"), 0.1)
        assert facts["PL"] == expected
    proven = replace(seen, kind="bound")
    own = Constants((proven, *constants(mu_star=0.01).found))
    assert Facts(wg.GradientDescent(0.1), own, Convexity("undecided"))["PL"] == 1.9


def test_exact_is_said_only_where_it_is() -> None:
    """The bound on the smallest gradient is met by some function up to √3/L, and not above."""
    for alpha, tight in ((0.5, True), (1.7, True), (1.8, False)):
        known = random_quadratic(0, 0.1, 1.0)
        facts = known.facts(wg.GradientDescent(alpha))
        found = [t for t in theorems_for(facts) if t.theorem.name.endswith("any step below 2/L")]
        assert [one.tight for one in found] == [tight]


def test_missing_numbers_are_said() -> None:
    facts = Facts(wg.GradientDescent(0.1), Constants(), Convexity("convex"))
    for one in theorems_for(facts):
        assert one.status == "unknown"
        assert "not known" in one.reason
        with pytest.raises(MissingError):
            one.theorem.at(3, facts)


def test_methods_without_theorems_say_why() -> None:
    for method in (wg.Adam(), wg.LBFGS(), wg.TrustRegion(), wg.NewtonCG(), wg.Scipy("BFGS")):
        facts = Facts(method, Constants(), Convexity("convex"))
        assert theorems_for(facts) == ()
        (why,) = silences_for(method)
        assert why.known in str(why)
    assert theorems_for(Facts(wg.GaussNewton(), Constants(), Convexity("convex"))) == ()
    assert silences_for(wg.GradientDescent()) == ()
    assert silences_for(wg.SGD()) == ()
    assert silences_for(wg.SGD(momentum=0.9))
    assert len(SILENCES) > 5


def test_the_order_is_by_status_then_by_steps() -> None:
    known = random_quadratic(1, 0.1)
    found = theorems_for(known.facts(wg.GradientDescent(1 / 2)), 1e-3)
    gaps = [a for a in found if a.theorem.quantity != "squared gradient"]
    steps = [a.steps_to(1e-3) for a in gaps]
    assert steps == sorted(steps)
    assert list(found[: len(gaps)]) == gaps
    assert "proven" in str(found[0])
    assert found[0].to_dict()["assumptions"]


# ---------------------------------------------------------------- random batches


def _stochastic() -> dict[str, tuple[Known, list[Any], set[str]]]:
    ridge = rows_problem(5)
    top, mu = ridge.constants["Lmax"].value, ridge.constants["mu"].value
    plain = rows_problem(6, "logistic", ridge=0.0, rows=40)
    # A G that holds for points that are not very much farther from θ* than θ₀.
    reach = 10 * (ridge.constants["R"].value + 1)
    bounded = ridge.given(Gstoch=math.sqrt(ridge.constants["sigma2_star"].value) + top * reach)
    return {
        "ridge": (
            ridge,
            [
                wg.SGD(1, 0.5 / top, replacement=True),
                wg.SGD(5, 0.5 / top, replacement=True),
                wg.SGD(1, 0.25 / top, replacement=True, average="all"),
                wg.SGD(2, 0.25 / top, replacement=True, average="tail"),
            ],
            {"noise ball", "convex rows: average"},
        ),
        "reshuffled": (ridge, [wg.SGD(4, 1 / top), wg.SGD(1, 0.2 / top)], {"reshuffled"}),
        "logistic": (
            plain,
            [
                wg.SGD(1, wg.InverseSqrt(0.5), replacement=True),
                wg.SGD(1, 0.2, replacement=True),
                wg.SGD(2, wg.InverseSqrt(0.5), replacement=True, average="all"),
                wg.SGD(1, wg.InverseSqrt(0.5), replacement=True, average="tail"),
                wg.SGD(1, 0.2, replacement=True, average="all"),
            ],
            {"gradients: last", "gradients: average"},
        ),
        "decreasing": (
            replace(ridge, constants=constants(**bounded)),
            [
                wg.SGD(1, wg.Inverse(2 / mu, offset=1), replacement=True, average="weighted"),
                wg.SGD(1, wg.Inverse(2 / mu, offset=2), replacement=True),
                wg.SGD(1, wg.Inverse(1 / mu, offset=3), replacement=True),
            ],
            {"weighted average", "2/(μt) steps: distance", "c/t steps"},
        ),
    }


@pytest.mark.parametrize("name", ["ridge", "reshuffled", "logistic", "decreasing"])
def test_mean_curves_of_sgd_are_below_their_bounds(name: str) -> None:
    known, runs, expected = _stochastic()[name]
    seen: set[str] = set()
    for method in runs:
        theorems = applied(known, method)
        assert theorems, method
        every = 20 if method.replacement else 20 // method.batch_size
        at, curves = mean_of(known, method, 5 * every, 12, every)
        for one in theorems:
            seen.add(one.theorem.name)
            curve = one.curve(at)
            mean, error = curves[curve.quantity]
            assert not exceeds(curve.value, mean - 3 * error), (method, one.theorem.name)
    assert all(any(part in found for found in seen) for part in expected), seen


def test_interpolation() -> None:
    rng = np.random.default_rng(0)
    X, best = rng.normal(size=(20, 3)), rng.normal(size=3)
    known = _least_squares(X, X @ best, best, np.zeros(3))
    top = known.constants["Lmax"].value
    for average in (None, "all"):
        method = wg.SGD(1, 1 / top, replacement=True, average=average)
        (one,) = (a for a in applied(known, method) if "interpolation" in a.theorem.name)
        at, curves = mean_of(known, method, 80, 12, 20)
        curve = one.curve(at)
        mean, error = curves[curve.quantity]
        assert not exceeds(curve.value, mean - 3 * error)


def _least_squares(X: Any, y: Any, best: Any, start: Any) -> Known:
    """½ mean (xᵢ·w − yᵢ)²."""
    n = len(X)
    risk = wg.EmpiricalRisk("squared", lambda w, x: x @ w, (X, y))
    squares, values = np.sum(X**2, axis=1), np.linalg.eigvalsh(X.T @ X / n)
    star = float(np.mean((X @ best - y) ** 2 * squares))
    d = start - best
    own = constants(
        L=values[-1],
        mu=values[0],
        Lmax=squares.max(),
        R=np.linalg.norm(d),
        gap0=np.mean((X @ d) ** 2) / 2,
        sigma2_star=star if star > 1e-20 else 0.0,
        sigma2=star,
    )
    return Known(risk, start, best, own, "strongly convex", True, n)


def test_noise_that_does_not_depend_on_theta_meets_its_ball() -> None:
    # Of ½(θ − yᵢ)²: E d² ← (1 − α)² E d² + α²σ², with equality.
    y = np.array([-1.0, 0.0, 1.0, 4.0])
    known = _least_squares(np.ones((4, 1)), y, np.array([1.0]), np.array([3.0]))
    assert known.constants["sigma2"].value == 3.5
    method = wg.SGD(1, 0.3, replacement=True)
    one = BY_NAME["SGD, strongly convex, constant step, bounded variance: noise ball"]
    steps, curves = measured(known, method, 6000, every=3)
    far = curves["squared distance"][steps > 30]  # one run is as good as many, as it forgets
    bound = float(one.at(6000, known.facts(method)))
    assert np.mean(far) == pytest.approx(bound, rel=0.08)


# ---------------------------------------------------------------- the page


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_formulas_are_latex(name: str) -> None:
    from matplotlib.mathtext import MathTextParser

    MathTextParser("agg").parse(f"${BY_NAME[name].latex}$")


def test_the_page_of_theorems_is_up_to_date() -> None:
    script = Path(__file__).parents[2] / "docs" / "make_theorems.py"
    made = runpy.run_path(str(script))
    text = made["page"]()
    if "WENGERT_UPDATE_GOLDEN" in os.environ:
        made["PAGE"].write_text(text, encoding="utf-8")
    assert made["PAGE"].read_text(encoding="utf-8") == text


def test_constants_that_are_zero_are_no_error() -> None:
    """A constant function has L, R and the gap at 0; bounds are 0 there, or say nothing."""
    for facts, one in CASES:
        zeros = Constants(tuple(replace(c, value=0.0) for c in facts.constants.found))
        still = replace(facts, constants=zeros)
        with contextlib.suppress(MissingError):  # no μ > 0, no κ
            assert one.theorem.at(np.arange(3), still).shape == (3,), one.theorem.name
            assert one.theorem.steps_to(0.1, still) >= 0, one.theorem.name
