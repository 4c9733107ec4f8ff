"""Direct evaluation of the typed tree: NumPy and textbook formulas, nothing else.

It shares no rule with expressions, derivatives or plans, so it can test them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from wengert.errors import NameClashError, ShapeError, SingularMatrixError
from wengert.formula.declarations import Variable
from wengert.formula.infer import Elaborated
from wengert.formula.types import only_symbol
from wengert.formula.words import Array, Evaluation, Node
from wengert.shapes import format_shape, substitute


def evaluate_directly(elaborated: Elaborated, values: Mapping[str, Any]) -> Array:
    """The value of a formula.

    Parameters
    ----------
    elaborated : Elaborated
        From :func:`wengert.formula.elaborate`.
    values : mapping
        An array of the variable's shape for every variable; rows and columns have rank 1.

    Returns
    -------
    ndarray
        Of the formula's shape. float64 at least; longdouble and complex inputs are kept where
        NumPy's functions take them.

    Examples
    --------
    >>> from wengert.formula import elaborate
    >>> formula = elaborate("x'*x + sum(vector(2).*x)")
    >>> float(evaluate_directly(formula, {"x": [1.0, 2.0]}))
    11.0

    Raises
    ------
    NameClashError
        If a variable has no value, or a value no variable.
    SingularMatrixError
        If a matrix that has to be inverted is singular.
    ShapeError
        If values do not have the variables' shapes, or leave a size unknown.
    """
    arrays = _arrays(elaborated, values)
    sizes = _sizes(elaborated.variables, arrays)
    dtype = np.result_type(np.float64, *arrays.values())
    results: dict[Node, Array] = {}
    with np.errstate(all="ignore"):
        for node in elaborated.nodes:
            operands = [results[operand] for operand in node.operands]
            evaluation = Evaluation(node, operands, arrays, sizes, dtype)
            results[node] = _value(evaluation)
    return np.asarray(results[elaborated.root])


def sizes_of(elaborated: Elaborated, values: Mapping[str, Any]) -> dict[str, int]:
    """The integers that the formula's size symbols stand for at these values."""
    return _sizes(elaborated.variables, _arrays(elaborated, values))


def _value(evaluation: Evaluation) -> Array:
    word = evaluation.node.word
    try:
        return word.evaluate(evaluation)
    except np.linalg.LinAlgError as error:
        raise SingularMatrixError(f"{word.name}: {error}") from error


def _arrays(elaborated: Elaborated, values: Mapping[str, Any]) -> dict[str, Array]:
    names = [variable.name for variable in elaborated.variables]
    for name in values:
        if name not in names:
            known = ", ".join(names) or "none"
            raise NameClashError(f"the formula has no variable {name}; it has: {known}")
    for name in names:
        if name not in values:
            raise NameClashError(f"no value for {name}; the variables are: {', '.join(names)}")
    arrays = {name: np.asarray(values[name]) for name in names}
    return {
        name: array if array.dtype.kind in "fc" else array.astype(np.float64)
        for name, array in arrays.items()
    }


def _sizes(variables: tuple[Variable, ...], arrays: Mapping[str, Array]) -> dict[str, int]:
    """The integers that the size symbols stand for, read from all arrays."""
    sizes: dict[str, int] = {}
    for variable in variables:
        actual = arrays[variable.name].shape
        if len(actual) != len(variable.shape):
            raise _misfit(variable, actual, sizes)
        for size, number in zip(variable.shape, actual, strict=True):
            name = only_symbol(size)
            if name is not None:
                sizes.setdefault(name, number)
    for variable in variables:
        actual = arrays[variable.name].shape
        if substitute(variable.shape, sizes) != actual:
            raise _misfit(variable, actual, sizes)
    return sizes


def _misfit(variable: Variable, actual: tuple[int, ...], sizes: Mapping[str, int]) -> ShapeError:
    known = ", ".join(f"{name} = {number}" for name, number in sizes.items())
    found = f" with {known}" if known else ""
    return ShapeError(
        f"{variable.name} is {format_shape(variable.shape)}{found}, its value is "
        f"{format_shape(actual)}"
    )
