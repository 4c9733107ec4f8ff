"""Cameras and points from where the points are seen: bundle adjustment, in the files of BAL.

Levenberg's and Marquardt's method on the reprojection error. The Gauss-Newton matrix has one block
of 9×9 a camera and one of 3×3 a point, and a block between a camera and a point it sees: the points
are eliminated first (Schur complement), which the solver finds out by itself. The model and the
file format are those of Agarwal, Snavely, Seitz and Szeliski 2010, "Bundle adjustment in the large"
(https://grail.cs.washington.edu/projects/bal/): ``python bundle_adjustment.py problem.txt`` reads
one, uncompressed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import wengert as wg


@dataclass(frozen=True)
class Problem:
    """What was seen: camera and point of each observation, and the pixel; and a first guess."""

    camera: Any  # (observations,)
    point: Any
    pixels: Any  # (observations, 2)
    params: Any  # {"cameras": (C, 9), "points": (P, 3)}


def read(path: Path) -> Problem:
    """A problem from a text file: sizes, observations, cameras, points."""
    entries = np.array(path.read_text().split(), float)
    cameras, points, count = entries[:3].astype(int)
    seen, rest = np.split(entries[3:], [4 * count])
    seen = seen.reshape(count, 4)
    params = {
        "cameras": rest[: 9 * cameras].reshape(cameras, 9),
        "points": rest[9 * cameras :].reshape(points, 3),
    }
    return Problem(seen[:, 0].astype(int), seen[:, 1].astype(int), seen[:, 2:], params)


def write(path: Path, problem: Problem) -> None:
    """The file that :func:`read` reads, with all digits."""
    cameras, points = problem.params["cameras"], problem.params["points"]
    lines = [f"{len(cameras)} {len(points)} {len(problem.pixels)}"]
    for c, p, (u, v) in zip(problem.camera, problem.point, problem.pixels, strict=True):
        lines.append(f"{c} {p} {float(u)!r} {float(v)!r}")
    lines += [repr(float(x)) for x in (*cameras.ravel(), *points.ravel())]
    path.write_text("\n".join(lines) + "\n")


def rotated(turns: Any, points: Any) -> Any:
    """Points turned by Rodrigues vectors: axis times angle."""
    angle = np.sqrt(np.sum(turns**2, axis=1, keepdims=True) + 1e-24)  # smooth at no turn
    axis = turns / angle
    along = np.sum(axis * points, axis=1, keepdims=True) * axis
    return along + np.cos(angle) * (points - along) + np.sin(angle) * np.cross(axis, points)


def project(cameras: Any, points: Any) -> Any:
    """Pixels, one a row: cameras are rotation (3), translation (3), focal length, k₁ and k₂."""
    moved = rotated(cameras[:, :3], points) + cameras[:, 3:6]
    flat = -moved[:, :2] / moved[:, 2:]
    square = np.sum(flat**2, axis=1, keepdims=True)
    focal, k1, k2 = cameras[:, 6:7], cameras[:, 7:8], cameras[:, 8:9]
    return focal * (1 + square * (k1 + k2 * square)) * flat


def synthetic(rng: np.random.Generator, cameras: int, points: int, share: float = 0.5) -> Problem:
    """Points in a ball, cameras on an arc around it, half a pixel of noise; a guess beside that."""
    angles = np.linspace(-0.6, 0.6, cameras)
    truth = np.zeros((cameras, 9))
    truth[:, :3] = 0.05 * rng.normal(size=(cameras, 3)) + angles[:, None] * [0.0, 1.0, 0.0]
    truth[:, 5] = -6 + 0.3 * rng.normal(size=cameras)
    truth[:, 6] = 800 + 20 * rng.normal(size=cameras)
    truth[:, 7:] = 0.01 * rng.normal(size=(cameras, 2))
    world = rng.normal(size=(points, 3)) / np.sqrt(3)
    camera, point = np.nonzero(rng.random((cameras, points)) < share)
    pixels = project(truth[camera], world[point])
    noise = 0.5 * rng.normal(size=pixels.shape)
    off = np.array([0.01] * 3 + [0.05] * 3 + [10.0, 0.005, 0.005])
    guess = {
        "cameras": truth + off * rng.normal(size=truth.shape),
        "points": world + 0.05 * rng.normal(size=world.shape),
    }
    return Problem(camera, point, pixels + noise, guess)


def residuals_of(problem: Problem) -> Any:
    """The function from parameters to reprojection errors. It holds the indices as constants, so
    that the structure of its derivatives is known."""

    def residuals(params: Any) -> Any:
        cameras, points = params["cameras"][problem.camera], params["points"][problem.point]
        return project(cameras, points) - problem.pixels

    return residuals


def adjust(problem: Problem, steps: int = 50) -> tuple[Any, list[float]]:
    """The best parameters, and the root mean square error in pixels on the way."""
    residuals = residuals_of(problem)
    both = wg.compile(wg.value_and_grad(lambda p: 0.5 * np.sum(residuals(p) ** 2)))
    curvature = wg.gauss_newton(residuals)
    params, damping = problem.params, 1e-3
    (cost, gradient), matrix = both(params), curvature(params)
    costs = [cost]
    for _ in range(steps):
        scale = {name: damping * (d + 1e-6) for name, d in matrix.diagonal().items()}
        step = matrix.add_diagonal(scale).solve(gradient)
        moved = {name: params[name] - step[name] for name in params}
        after, slope = both(moved)
        if not after < cost:
            damping *= 4
            if damping > 1e8:
                break
            continue
        params, gradient, damping = moved, slope, damping / 5
        costs.append(after)
        if cost - after < 1e-9 * cost:
            break
        cost, matrix = after, curvature(params)
    return params, [float(np.sqrt(2 * c / problem.pixels.size)) for c in costs]


def main(path: str | None = None, cameras: int = 12, points: int = 400) -> float:
    """Adjust, and give the error that is left, in pixels."""
    rng = np.random.default_rng(6)
    problem = read(Path(path)) if path else synthetic(rng, cameras, points)
    sizes = [len(problem.params[name]) for name in ("cameras", "points")]
    print(f"{sizes[0]} cameras, {sizes[1]} points, {len(problem.pixels)} observations")
    matrix = wg.gauss_newton(residuals_of(problem))(problem.params)
    rows = matrix.shape[0]
    print(f"Gauss-Newton matrix {rows}×{rows}: {matrix.nbytes:,} bytes, dense {8 * rows**2:,}")
    _, errors = adjust(problem)
    print("error in pixels, step by step:", " ".join(f"{e:.3f}" for e in errors))
    free = problem.pixels.size - 9 * sizes[0] - 3 * sizes[1] + 7  # a similarity is not seen
    print(f"noise estimated from it: {errors[-1] * np.sqrt(problem.pixels.size / free):.3f} pixels")
    return errors[-1]


if __name__ == "__main__":
    main(*sys.argv[1:])
