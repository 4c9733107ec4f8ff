"""check_derivatives: derivatives held against differences, with a report that can be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import optree

from wengert.errors import DerivativeMismatchError
from wengert.transforms.differentiate import derivative
from wengert.transforms.recording import real_argument

MODES = ("forward", "reverse")
_STEPS = 6  # halvings of the step
_ROUNDING = 1e-10  # of differences, beside the size of what is differenced


@dataclass(frozen=True)
class Check:
    """One comparison along a random direction.

    Attributes
    ----------
    order : int
        Of the derivative.
    mode : str
        How it was found.
    found, expected : float
        By wengert, and by differences of the order before.
    error : float
        Relative to the largest entry of both, above the rounding of the differences.
    uncertainty : float
        Of the differences themselves, estimated.
    passed : bool
        Is the error within the tolerance?
    """

    order: int
    mode: str
    found: float
    expected: float
    error: float
    uncertainty: float
    passed: bool


@dataclass(frozen=True)
class Report:
    """All comparisons; true if every one passed."""

    checks: tuple[Check, ...]
    tolerance: float

    def __bool__(self) -> bool:
        return all(c.passed for c in self.checks)

    def __str__(self) -> str:
        lines = ["order mode     wengert        differences    relative error"]
        for c in self.checks:
            mark = "PASS" if c.passed else "FAIL"
            lines.append(
                f"{c.order:5} {c.mode:8} {c.found:<14.8g} {c.expected:<14.8g} {c.error:.1e} "
                f"(differences ±{c.uncertainty:.0e})  {mark}"
            )
        failed = [c for c in self.checks if not c.passed]
        if any(not np.isfinite(c.expected) for c in failed):
            lines.append(
                "The function is not finite around the point: choose one inside of its domain."
            )
        elif any(c.error <= 10 * c.uncertainty for c in failed):
            lines.append(
                "The differences do not settle: the point may be at a kink or a singularity."
            )
        elif failed:
            lines.append(
                "The derivative is wrong; or the point is at a kink (a tie, abs or relu at 0), "
                "where differences see both sides; or the function gives other values when called "
                "again."
            )
        return "\n".join(lines)


def check_derivatives(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    order: int = 2,
    *,
    modes: tuple[str, ...] = MODES,
    tolerance: float = 1e-6,
    seed: int = 0,
    raises: bool = True,
) -> Report:
    """Compare derivatives with extrapolated central differences along random directions.

    Parameters
    ----------
    f : callable
        Of real arrays or pytrees of them; gives arrays or pytrees.
    args : tuple
        Where.
    order : int
        Orders 1 to this one; each is compared with differences of the one before.
    modes : tuple of str
        ``"forward"``, ``"reverse"``, ``"cross-country"``.
    tolerance : float
        The largest relative error that passes.
    seed : int
        Of the random directions.
    raises : bool
        Raise an error if a comparison fails; otherwise look at the report.

    Returns
    -------
    Report
        Prints as a table; true if all passed.

    Raises
    ------
    DerivativeMismatchError
        With the report.

    Examples
    --------
    >>> bool(check_derivatives(np.sin, (0.3,)))
    True
    """
    args = args if isinstance(args, tuple) else (args,)
    rng = np.random.default_rng(seed)
    flat, structure = optree.tree_flatten(args)
    point = [np.asarray(real_argument(a, "check_derivatives"), dtype=float) for a in flat]
    directions = [[_direction(rng, p) for p in point] for _ in range(order)]
    numbers = tuple(range(len(args)))
    checks: list[Check] = []

    def along(k: int, mode: str) -> Callable[[float], Any]:
        """t ↦ the derivative of order k − 1 at x + t v_k, along v_1 .. v_{k−1}, flattened."""

        def function(t: float) -> Any:
            moved = [p + t * v for p, v in zip(point, directions[k - 1], strict=True)]
            return _contracted(f, numbers, structure, moved, directions[: k - 1], mode)

        return function

    weights: Any = None
    for k in range(1, order + 1):
        function = along(k, "auto")
        with np.errstate(all="ignore"):
            expected, uncertainty = _difference(function)
            rounding = _ROUNDING * _size(function(0.0))
        if weights is None:
            weights = rng.standard_normal(np.shape(expected))
        for mode in modes:
            found = _contracted(f, numbers, structure, point, directions[:k], mode)
            gap = _size(found - expected)
            size = max(_size(expected), _size(found))
            error = 0.0 if gap <= rounding else gap / size
            checks.append(
                Check(
                    k, mode, float(np.sum(weights * found)), float(np.sum(weights * expected)),
                    error, uncertainty / size if size else 0.0, bool(error <= tolerance),
                )
            )  # fmt: skip
    report = Report(tuple(checks), tolerance)
    if raises and not report:
        name = getattr(f, "__name__", "the function")
        raise DerivativeMismatchError(f"a derivative of {name} differs from differences\n{report}")
    return report


def _size(x: Any) -> float:
    return float(np.max(np.abs(x), initial=0.0))


def _direction(rng: np.random.Generator, p: Any) -> Any:
    """A random direction whose entries are as large as those of the point.

    A step along it is then small beside each entry, at 1e-9 and at 1e9, and as far from a
    singularity at 0. An entry that is next to nothing moves with the others.
    """
    v = rng.standard_normal(p.shape)
    largest = _size(p)
    scale = np.maximum(np.abs(p), 1e-3 * largest) if np.isfinite(largest) and largest else 1.0
    return v * scale / max(float(np.sqrt(np.sum(v * v))), 1e-12)


def _contracted(
    f: Any, numbers: tuple[int, ...], structure: Any, point: list[Any], along: list[Any], mode: str
) -> Any:
    """The derivative of order len(along) with its axes contracted with directions, flattened."""
    args = optree.tree_unflatten(structure, [p if p.ndim else np.float64(p) for p in point])
    order = len(along)
    tensor = derivative(f, numbers, order=order, mode=mode)(*args) if order else f(*args)
    leaves = optree.tree_leaves(tensor)
    n = len(point)
    blocks = [np.asarray(b, dtype=float) for b in leaves]
    for direction in reversed(along):
        blocks = [
            sum(
                np.tensordot(b, v, axes=v.ndim) if v.ndim else b * v
                for b, v in zip(blocks[j : j + n], direction, strict=True)
            )
            for j in range(0, len(blocks), n)
        ]
    return np.concatenate([np.ravel(b) for b in blocks]) if blocks else np.zeros(0)


def _difference(function: Callable[[float], Any]) -> tuple[Any, float]:
    """The derivative at 0 by Richardson extrapolation, and how far its last steps differ."""
    step = 1e-2
    table: list[Any] = []
    best, least = None, np.inf
    for k in range(_STEPS):
        row = [(function(step) - function(-step)) / (2 * step)]
        for j, before in enumerate(table):
            row.append(row[j] + (row[j] - before) / (4.0 ** (j + 1) - 1))
        if k:
            gap = float(np.max(np.abs(row[-1] - table[-1]), initial=0.0))
            if not gap >= least:
                best, least = row[-1], gap
        table = row
        step /= 2
    return (table[-1] if best is None else best), least
