"""What is expanded: a formula's text, a formula or a NumPy function, as a function of its point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import optree

from wengert.errors import NameClashError
from wengert.formula import variable_names
from wengert.formulas import Formula, formula

Source = str | Formula | Callable[..., Any]


def as_formula(f: Source, values: Mapping[str, Any]) -> Formula | None:
    """The formula that this is, or whose text this is; None for a Python function.

    In a text, a variable has the shape of its value: x = 0 is a scalar, whatever the letter.
    """
    if isinstance(f, str):
        return formula(f, {k: np.shape(v) for k, v in values.items() if not isinstance(v, str)})
    return f if isinstance(f, Formula) else None


def function_of(
    f: Source, x0: Any, given: Mapping[str, Any] | None = None
) -> tuple[Callable[[Any], Any], Any]:
    """A function of its point alone, and the point as real arrays.

    Parameters
    ----------
    f : str, Formula or callable
        A callable takes the point as its one argument.
    x0 : tree of array_like
        The point. For a formula: a value for each variable that it is a function of, by name; or
        the one value, if the others are given.
    given : mapping of str to array_like, optional
        Values of a formula's other variables.

    Returns
    -------
    tuple
        ``(function, point)``; integers in the point have become floats.

    Raises
    ------
    NameClashError
        If the names are not those of the formula's variables, or one stands in both.

    Examples
    --------
    >>> f, point = function_of("a*x^2", {"x": 3}, {"a": 2.0})
    >>> float(f(point))
    18.0
    """
    held = dict(given or {})
    if not isinstance(f, str | Formula):
        if held:
            raise NameClashError(
                "values by name are for formulas; a function takes them where it is written: "
                "lambda x: f(x, a=2.0)"
            )
        function: Callable[[Any], Any] = f
        return function, optree.tree_map(_real, x0)
    point: dict[str, Any] = dict(x0) if _is_named(x0) else {only_variable(f, held): x0}
    refuse_doubled(point, held)
    read = as_formula(f, {**held, **point})
    assert read is not None

    def evaluated(at: Mapping[str, Any]) -> Any:
        return read(**at, **held)

    return evaluated, {name: _real(value) for name, value in point.items()}


def refuse_doubled(point: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """An error if a variable has a value in the point and another one.

    Raises
    ------
    NameClashError
        With its name.
    """
    twice = sorted(set(point) & set(given))
    if twice:
        raise NameClashError(f"{twice[0]} is in the point and among the values that are given")


def _is_named(x0: Any) -> bool:
    return isinstance(x0, Mapping)


def only_variable(f: str | Formula, held: Mapping[str, Any]) -> str:
    """The one variable of a formula whose value is not given.

    Raises
    ------
    NameClashError
        If there is none, or more.
    """
    names = variable_names(f) if isinstance(f, str) else [v.name for v in f.variables]
    free = [name for name in names if name not in held]
    if len(free) != 1:
        listed = ", ".join(free) or "none"
        raise NameClashError(
            f"the point must be a dict of values by name; the formula's variables are: {listed}"
        )
    return free[0]


def _real(value: Any) -> Any:
    array = np.asarray(value)
    return array.astype(float) if array.dtype.kind in "iub" else value
