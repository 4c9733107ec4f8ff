"""What the tests of traced functions share: drawing arguments, and the checks on one function.

The checks compare with the same function on plain arrays: its value, and the differences of its
values (`corpus.oracle`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optree

from corpus.oracle import relative_error, richardson
from wengert.transforms.differentiate import derivative

MODES = ("forward", "reverse")
KINDS = ("spd", "square", "positive", "unit")


@dataclass(frozen=True)
class Row:
    """A function in use.

    Attributes
    ----------
    key : object
        The NumPy function (or what stands for it in the table of the implementations).
    call : callable
        Uses it on real arrays; gives arrays.
    operands : tuple
        For each argument its shape, or a kind of values ("spd", "square", "positive", "unit")
        followed by its shape.
    """

    key: Any
    call: Callable[..., Any]
    operands: tuple[tuple[Any, ...], ...]

    @property
    def id(self) -> str:
        """A name for the test."""
        name = self.key if isinstance(self.key, str) else self.key.__name__
        return f"{name}-{'-'.join(','.join(map(str, o)) for o in self.operands)}"

    def draw(self) -> list[Any]:
        """Arguments, the same in every run."""
        rng = np.random.default_rng(zlib.crc32(self.id.encode()))
        return [_draw(operand, rng) for operand in self.operands]


def _draw(operand: tuple[Any, ...], rng: np.random.Generator) -> Any:
    kind = operand[0] if operand and operand[0] in KINDS else "real"
    shape = operand[1:] if kind != "real" else operand
    size = int(np.prod(shape))
    places = rng.permutation((np.arange(size) + 0.3 + 0.2 * rng.random(size)) / max(size, 1))
    places = places.reshape(shape)  # far from each other and from 0: no kink is near
    if kind == "positive":
        return 0.4 + 2.0 * places
    if kind == "unit":
        return 0.1 + 0.7 * places
    if kind == "spd":
        return places @ np.swapaxes(places, -1, -2) / 2 + np.diag(1.0 + np.arange(shape[-1]))
    if kind == "square":
        return places + np.diag(2.0 + np.arange(shape[-1]))
    return (0.3 + 1.2 * places) * rng.choice([-1.0, 1.0], shape)


def _real_parts(result: Any) -> list[Any]:
    return [np.asarray(r) for r in optree.tree_leaves(result) if np.asarray(r).dtype.kind == "f"]


def _flat(function: Callable[..., Any]) -> Callable[..., Any]:
    """All real entries of the result, in one vector."""

    def flat(*args: Any) -> Any:
        parts = optree.tree_leaves(function(*args))
        real = [p for p in parts if not hasattr(p, "dtype") or p.dtype.kind == "f"]
        return np.concatenate([np.ravel(p) for p in real]) if real else np.zeros(0)

    return flat


def check_value(row: Row) -> None:
    """Values, shapes and dtypes are NumPy's."""
    args = row.draw()
    expected = optree.tree_leaves(row.call(*args))
    found = optree.tree_leaves(derivative(row.call, tuple(range(len(args))), order=0)(*args))
    assert len(found) == len(expected)
    for f, e in zip(map(np.asarray, found), map(np.asarray, expected), strict=True):
        assert f.shape == e.shape
        assert f.dtype == e.dtype
        if e.dtype.kind == "f":
            assert relative_error(f, e) <= 1e-12
        else:
            assert np.array_equal(f, e)


def check_derivatives(row: Row, orders: Sequence[int] = (1, 2), tolerance: float = 1e-6) -> None:
    """Each order in each argument, in both modes, against differences of the order before."""
    args = row.draw()
    flat = _flat(row.call)
    for k in range(len(args)):
        plain: Callable[..., Any] = flat
        for order in orders:
            expected, _ = richardson(_with(plain, args, k), args[k])
            for mode in MODES:
                found = derivative(flat, k, order=order, mode=mode)(*args)
                error = relative_error(found, expected)
                assert error <= tolerance, (
                    f"{row.id}: order {order} in argument {k}, {mode}: error {error:.2g}\n"
                    f"{found}\nexpected\n{expected}"
                )
            plain = derivative(flat, k, order=order, mode="forward")


def _with(function: Callable[..., Any], args: list[Any], k: int) -> Callable[[Any], Any]:
    return lambda x: function(*args[:k], x, *args[k + 1 :])
