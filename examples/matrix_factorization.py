"""Ratings filled in by a factorisation U Vᵀ: Newton's method, alternating and for all at once.

The loss is quadratic in U alone, with a Hessian of one small block a user, and the same for V: a
Newton step on each in turn is alternating least squares. The Hessian in U and V together has a
dense block between users and items, and is solved by eliminating the users first. The ratings are
made up: 1 to 5 stars, some users and items with many, most with few.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np

import wengert as wg


def ratings(rng: np.random.Generator, users: int, items: int, rank: int) -> tuple[Any, Any]:
    """Stars, less their mean, and a mask of those that were given."""
    taste = rng.normal(size=(users, rank)) @ rng.normal(size=(rank, items)) / np.sqrt(rank)
    stars = np.clip(np.round(3.5 + taste + 0.5 * rng.normal(size=(users, items))), 1, 5)
    eager, famous = rng.pareto(3, size=(users, 1)), rng.pareto(2, size=items)
    mask = (rng.random((users, items)) < np.clip(0.15 + 0.3 * eager * famous, 0, 0.9)).astype(float)
    return mask * (stars - np.sum(mask * stars) / np.sum(mask)), mask


def loss(U: Any, V: Any, stars: Any, mask: Any, penalty: float = 1.0) -> Any:
    """Half the squared errors of the given stars, and a penalty."""
    errors = mask * (stars - U @ V.T)
    return 0.5 * np.sum(errors**2) + 0.5 * penalty * (np.sum(U**2) + np.sum(V**2))


def of_both(factors: Any, stars: Any, mask: Any) -> Any:
    """The loss of a dict of the factors."""
    return loss(factors["U"], factors["V"], stars, mask)


def alternate(factors: Any, stars: Any, mask: Any, sweeps: int) -> Any:
    """A Newton step in U, then one in V, and so on."""
    slopes = [wg.compile(wg.grad(loss, k)) for k in (0, 1)]
    curvatures = [wg.compile(wg.hessian(loss, k, structured=True)) for k in (0, 1)]
    pair = [factors["U"], factors["V"]]
    for _ in range(sweeps):
        for k in (0, 1):
            gradient = slopes[k](*pair, stars, mask)
            pair[k] = pair[k] - curvatures[k](*pair, stars, mask).solve(gradient)
    return {"U": pair[0], "V": pair[1]}


def newton(factors: Any, stars: Any, mask: Any, steps: int = 100) -> tuple[Any, list[float]]:
    """Damped Newton steps for both factors, and the losses on the way.

    U Q, V Q for a rotation Q is as good as U, V, so that the Hessian is singular at the optimum:
    some damping stays.
    """
    value_and_grad = wg.compile(wg.value_and_grad(of_both))
    curvature = wg.compile(wg.hessian(of_both, structured=True))
    value, gradient = value_and_grad(factors, stars, mask)
    hessian, damping, losses = curvature(factors, stars, mask), 1.0, [float(value)]
    for _ in range(steps):
        step = hessian.add_diagonal(damping).solve(gradient)
        moved = {name: factors[name] - step[name] for name in factors}
        after, slope = value_and_grad(moved, stars, mask)
        if after > value * (1 + 1e-14):
            damping *= 5
            continue
        factors, value, gradient = moved, after, slope
        losses.append(float(value))
        if sum(np.sum(g**2) for g in gradient.values()) < 1e-16:
            break
        hessian, damping = curvature(factors, stars, mask), max(damping / 5, 1e-8)
    return factors, losses


def dense_step(factors: Any, stars: Any, mask: Any, gradient: Any) -> Any:
    """A damped Newton step by the Hessian with all its entries, as one vector."""
    blocks = wg.hessian(of_both)(factors, stars, mask)
    sizes = {name: f.size for name, f in factors.items()}
    H = np.block([[blocks[a][b].reshape(sizes[a], sizes[b]) for b in "UV"] for a in "UV"])
    return np.linalg.solve(H + np.eye(len(H)), np.concatenate([gradient[a].ravel() for a in "UV"]))


def duration(function: Any, runs: int = 5) -> float:
    """Seconds that a call takes; the median, after a first call."""
    times: list[float] = []
    for _ in range(runs + 1):
        begin = perf_counter()
        function()
        times.append(perf_counter() - begin)
    return float(np.median(times[1:]))


def main(users: int = 400, items: int = 60, rank: int = 4) -> tuple[float, float]:
    """Fit both ways, and give the two losses."""
    rng = np.random.default_rng(5)
    stars, mask = ratings(rng, users, items, rank)
    start = {"U": 0.3 * rng.normal(size=(users, rank)), "V": 0.3 * rng.normal(size=(items, rank))}
    print(f"{users} users, {items} items, {int(mask.sum())} stars, rank {rank}")
    print(wg.hessian(of_both, structured=True)(start, stars, mask))

    warm = alternate(start, stars, mask, 3)
    found, losses = newton(warm, stars, mask)
    print(
        f"Newton: {of_both(start, stars, mask):.2f} → {losses[-1]:.8f} in {len(losses) - 1} steps"
    )
    for sweeps in (10, 30, 100):
        alternated = of_both(alternate(warm, stars, mask, sweeps), stars, mask)
        print(f"alternating, {sweeps} sweeps: {alternated:.8f}")

    curvature = wg.compile(wg.hessian(of_both, structured=True))
    gradient = wg.grad(of_both)(found, stars, mask)
    structured = duration(lambda: curvature(found, stars, mask).add_diagonal(1.0).solve(gradient))
    dense = duration(lambda: dense_step(found, stars, mask, gradient))
    print(f"one step: {1000 * structured:.1f} ms structured, {1000 * dense:.1f} ms dense")
    return losses[-1], float(alternated)


if __name__ == "__main__":
    main()
