"""``scipy.integrate.odeint`` on traced arrays, differentiated by the equations of sensitivity.

The derivative S of the solution y by a parameter θ solves a differential equation too,
S' = (∂f/∂y) S + ∂f/∂θ; it is integrated together with the solution, by ``odeint`` itself, and so
has its tolerances. (Hairer, Nørsett and Wanner 1993, section I.14.) The larger system is again a
system that can be differentiated, so that derivatives of any order exist, in both modes.

A rate that branches on the values of y has derivatives of order 1 only. They are those of the
branches that are taken: where the rate jumps from one to the other S jumps too, which is not
followed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import optree

from wengert.errors import TracingError, UnsupportedFunctionError
from wengert.tracing import TracedArray, stacked, where
from wengert.tracing.replacing import original_of, version_of
from wengert.transforms.compiling import compile
from wengert.transforms.custom import custom_derivative
from wengert.transforms.differentiate import jacobian

Function = Callable[..., Any]


@dataclass(frozen=True)
class _System:
    """y' = rate(y, t, *θ) and how it is to be integrated."""

    rate: Function
    options: tuple[tuple[str, Any], ...]

    def solve(self, y0: Any, t: Any, *parameters: Any) -> Any:
        """The solution at all times, ``(times, n)``: numbers in, numbers out."""
        return _original()(self.rate, y0, t, tuple(parameters), **dict(self.options))

    @cached_property
    def solution(self) -> Function:
        """The same as a function that can be differentiated."""
        return custom_derivative(
            self.solve,
            jacobian=self._jacobians,
            shape=lambda y0, t, *parameters: (t[0], y0[0]),
        )

    @cached_property
    def _larger(self) -> dict[tuple[int, int, int], _System]:
        return {}

    def _jacobians(self, y0: Any, t: Any, *parameters: Any) -> tuple[Any, ...]:
        solution = self.solution(y0, t, *parameters)
        blocks = [self._sensitivity(k, y0, t, parameters) for k in range(-1, len(parameters))]
        return (blocks[0], self._by_times(solution, blocks[0], y0, t, parameters), *blocks[1:])

    def _sensitivity(self, k: int, y0: Any, t: Any, parameters: Sequence[Any]) -> Any:
        """By parameter k, or by the initial value if k is −1."""
        n = y0.shape[0]
        shape = (n,) if k < 0 else np.shape(parameters[k])
        m = int(np.prod(shape))
        start = np.reshape(np.eye(n), (-1,)) if k < 0 else np.zeros(n * m)
        if (k, n, m) not in self._larger:
            rate = _WithSensitivity(self.rate, k, n, m)
            self._larger[k, n, m] = _System(rate, self.options)
        both = self._larger[k, n, m].solution(np.concatenate([y0, start]), t, *parameters)
        return np.reshape(both[:, n:], (t.shape[0], n, *shape))

    def _by_times(self, y: Any, by_start: Any, y0: Any, t: Any, parameters: Sequence[Any]) -> Any:
        """A later end moves the end only; a later start is an earlier value, carried on."""
        count = t.shape[0]
        rates = np.stack([_entries(self.rate(y[i], t[i], *parameters)) for i in range(count)])
        first = -by_start @ _entries(self.rate(y0, t[0], *parameters))
        moved = np.where(np.arange(count)[:, None] > 0, 1.0, 0.0)
        ends = np.eye(count)[:, None, :] * (rates * moved)[:, :, None]
        return ends + (first * moved)[:, :, None] * np.eye(count)[0]


class _WithSensitivity:
    """The rate of (y, S), S with one column an entry of the parameter."""

    def __init__(self, rate: Function, k: int, n: int, m: int) -> None:
        self.rate, self.k, self.n, self.m = rate, k, n, m
        self._compiled = compile(self._together)
        self._plain = False

    def __call__(self, z: Any, t: Any, *parameters: Any) -> Any:
        if self._plain:
            return self._together(z, t, *parameters)
        try:
            return self._compiled(z, t, *parameters)
        except TracingError:  # the rate branches on values
            self._plain = True
            return self._together(z, t, *parameters)

    def _together(self, z: Any, t: Any, *parameters: Any) -> Any:
        y, s = z[: self.n], np.reshape(z[self.n :], (self.n, self.m))
        rate = lambda y, *p: _entries(self.rate(y, t, *p))  # noqa: E731
        change = jacobian(rate, 0)(y, *parameters) @ s
        if self.k >= 0:
            by_parameter = jacobian(rate, self.k + 1)(y, *parameters)
            change = change + np.reshape(by_parameter, (self.n, self.m))
        return np.concatenate([_entries(self.rate(y, t, *parameters)), np.ravel(change)])


def _entries(rate: Any) -> Any:
    found = stacked(rate)
    return np.atleast_1d(found if isinstance(found, TracedArray) else np.asarray(found, float))


def _original() -> Function:
    import scipy.integrate  # noqa: PLC0415  (loaded by those who use it)

    return original_of(scipy.integrate.odeint)


_KEPT = ("rtol", "atol", "tcrit", "h0", "hmax", "hmin", "mxstep", "mxhnil", "mxordn", "mxords")


@version_of("scipy.integrate", "odeint")
def odeint(func: Function, y0: Any, t: Any, args: Any = (), **options: Any) -> Any:
    """``scipy.integrate.odeint``, with derivatives by ``y0``, ``t`` and what is in ``args``.

    Raises
    ------
    UnsupportedFunctionError
        For options that have no traced version, and for functions that use traced values which are
        not among their arguments.
    """
    first = bool(options.pop("tfirst", False))
    options.pop("printmessg", None)
    unknown = [k for k, v in options.items() if k not in _KEPT and v not in (None, False, 0)]
    if unknown:
        raise UnsupportedFunctionError(
            f"{where()}: odeint of traced arrays takes no {unknown[0]}=; leave it out"
        )
    leaves, structure = optree.tree_flatten(args if isinstance(args, tuple) else (args,))
    moving = [k for k, v in enumerate(leaves) if isinstance(v, TracedArray)]
    rate = partial(_rate, func, first, structure, leaves, moving)
    parameters = [leaves[k] for k in moving]
    start, times = np.atleast_1d(stacked(y0)), np.atleast_1d(stacked(t))
    kept = tuple((k, v) for k, v in options.items() if k in _KEPT and v is not None)
    return _System(rate, kept).solution(start, times, *parameters)


def _rate(
    func: Function, first: bool, structure: Any, leaves: Sequence[Any], moving: Sequence[int],
    y: Any, t: Any, *parameters: Any,
) -> Any:  # fmt: skip
    given = list(leaves)
    for k, p in zip(moving, parameters, strict=True):
        given[k] = p
    args = optree.tree_unflatten(structure, given)
    found = func(t, y, *args) if first else func(y, t, *args)
    plain = not any(isinstance(stacked(v), TracedArray) for v in (y, t, *parameters))
    if plain and isinstance(stacked(found), TracedArray):
        raise UnsupportedFunctionError(
            f"{where()}: the function that odeint integrates uses a traced value from around it; "
            "give it the value through args="
        )
    return found
