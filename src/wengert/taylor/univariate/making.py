"""What series are made of: formulas, their texts, and Python functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert.errors import DomainError, NameClashError, ShapeError
from wengert.expr import rebuild, topological
from wengert.formula import variable_names
from wengert.formulas import Formula, formula, trace
from wengert.operations import variable
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import is_variable
from wengert.taylor.kinks import at_kink
from wengert.taylor.subject import Source, function_of
from wengert.taylor.univariate.expand import NotScalarError
from wengert.taylor.univariate.lazy import (
    Computed,
)
from wengert.taylor.univariate.numbers import (
    Number,
    expr_of,
)
from wengert.taylor.univariate.points import expanded, point_of
from wengert.taylor.univariate.series import Series
from wengert.transforms import jet

_KINKS = 12  # order up to which the pieces of a function at a kink have to agree


def series(
    f: Source,
    wrt: str | None = None,
    at: Any = 0,
    given: Mapping[str, Any] | None = None,
) -> Series:
    """The power series of a function of one variable, with all its terms.

    Parameters
    ----------
    f : str, Formula or callable
        A scalar function; a callable takes one number and is written with NumPy.
    wrt : str, optional
        The variable; not needed if there is just one.
    at : number or str
        The point x₀: an integer, a fraction or a text such as ``"0.3"`` or ``"pi/2"`` for exact
        coefficients, a float for floating-point ones.
    given : mapping of str to number or str, optional
        Numbers for the other variables, exact ones as for ``at``. Those that are not given stay
        symbols.

    Returns
    -------
    Series
        Coefficients, general term, radius of convergence, partial sums, arithmetic.

    Raises
    ------
    DomainError
        If the function is not analytic at the point: a pole, a branch point, a kink.
    NameClashError
        For names that do not fit.
    ShapeError
        If a variable or the value is no single number.

    Examples
    --------
    >>> print(series("sin(x)"))
    x − x³/6 + x⁵/120 + ... = Σ_{k≥0} (−1)^k x^{2k+1}/(2k+1)!,  |x| < ∞ (exact)
    >>> series("exp(x)/(1 - x)")[3]
    Fraction(8, 3)
    """
    point = point_of(at)
    if isinstance(f, str | Formula):
        return _of_formula(f, wrt, point, dict(given or {}))
    if not callable(f):
        raise TypeError(f"series takes a formula or a function, not {type(f).__name__}")
    if given:
        raise NameClashError(
            "values by name are for formulas; a function takes them where it is written: "
            "lambda x: f(x, a=2.0)"
        )
    return _of_function(f, wrt, point)


def _of_formula(f: str | Formula, wrt: str | None, point: Number, given: dict[str, Any]) -> Series:
    names = variable_names(f) if isinstance(f, str) else [v.name for v in f.variables]
    name = _variable(names, wrt, given)
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise NameClashError(f"{unknown[0]} is no variable of the formula: {', '.join(names)}")
    try:
        read = formula(f, dict.fromkeys(names, ())) if isinstance(f, str) else f
        return _of_read(read, name, point, given)
    except NotScalarError:
        values = {k: float(point_of(v, k)) for k, v in given.items()}
        if set(names) - {name} - set(values):
            raise
        return _numeric(f, name, point, values)


def _of_read(read: Formula, name: str, point: Number, given: Mapping[str, Any]) -> Series:
    known: Mapping[str, Any] = read.traced.captured if read.traced is not None else {}
    for v in read.variables:
        if v.shape and v.name in known:
            raise NotScalarError(f"{v.name} is an array")
        if v.shape:
            raise ShapeError(
                f"{v.name} is an array; series are of functions of numbers: give its shape as ()"
            )
    if read.shape:
        raise ShapeError(f"the value is an array of shape {read.shape}; a series has one number")
    numbers = {k: point_of(v, k) for k, v in given.items()}
    numbers.update({k: float(v) for k, v in known.items() if k not in numbers})
    leaves = {str(n.params[0]): n for n in topological(read.expr) if is_variable(n)}
    leaf = leaves.get(name, variable(name, ()))
    exact = {
        leaves[k]: expr_of(v)
        for k, v in numbers.items()
        if not isinstance(v, float) and k in leaves
    }
    expr = rebuild(read.expr, with_operands, dict(exact))
    floats = {leaves[k]: v for k, v in numbers.items() if isinstance(v, float) and k in leaves}
    if isinstance(point, float) or floats:
        symbols = sorted(set(leaves) - {name} - set(numbers))
        if symbols:
            raise NameClashError(
                f"with floats every variable needs a number; {symbols[0]} is not given"
            )
        x0 = float(point)
        root = expanded(expr, leaf, x0, floats)
        return Series(expr, leaf, name, x0, root, floats, exact=False)
    return Series(expr, leaf, name, point, expanded(expr, leaf, point, None))


def _of_function(f: Callable[..., Any], wrt: str | None, point: Number) -> Series:
    name = wrt or _parameter(f)
    try:
        traced = trace(f, float(point))
        return _of_read(_renamed(traced, name), name, point, {})
    except NotScalarError:
        return _numeric(f, name, point, {})


def _renamed(traced: Formula, name: str) -> Formula:
    """The formula, whose variable has another name."""
    first = traced.variables[0] if traced.variables else None
    if first is None or first.name == name:
        return traced
    leaf = variable(first.name, first.shape)
    expr = rebuild(traced.expr, with_operands, {leaf: variable(name, first.shape)})
    rest = tuple(v for v in traced.variables if v is not first)
    return Formula(expr, rest, traced.orientation, None, traced=traced.traced)


def _parameter(f: Callable[..., Any]) -> str:
    try:
        names = list(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        return "x"
    return names[0] if names and names[0].isidentifier() else "x"


def _numeric(f: Source, name: str, point: Number, values: Mapping[str, float]) -> Series:
    """By jets: for functions with parts that have no scalar recurrence."""
    x0 = float(point)
    function, at = function_of(f, {name: x0} if isinstance(f, str | Formula) else x0, values)
    direction = {name: 1.0} if isinstance(at, dict) else 1.0
    kinks = at_kink(function, at, order=_KINKS)
    if kinks:
        raise DomainError(f"no power series at {name} = {x0:g}: {kinks[0]}")

    def up_to(order: int) -> Sequence[Number]:
        found = np.asarray(jet(function, at, direction, order))
        if found.ndim != 1:
            raise ShapeError(
                f"the value is an array of shape {found.shape[1:]}; a series has one number"
            )
        if not np.all(np.isfinite(found)):
            raise DomainError(f"the function is not analytic at {name} = {x0:g}")
        return [float(c) for c in found]

    root = Computed(up_to)
    _ = root[1]
    return Series(None, variable(name, ()), name, x0, root, exact=False)


def _variable(names: Sequence[str], wrt: str | None, given: Mapping[str, Any]) -> str:
    listed = ", ".join(names) or "none"
    if wrt is not None:
        if wrt not in names and names:
            raise NameClashError(
                f"{wrt} is no variable of the formula; its variables are: {listed}"
            )
        if wrt in given:
            raise NameClashError(f"{wrt} is the variable of the series and among the given values")
        return wrt
    free = [n for n in names if n not in given]
    if len(free) > 1:
        raise NameClashError(
            f"which variable is the series in? The formula has: {listed}; name one"
        )
    return free[0] if free else "x"
