"""The tables by which NumPy's and SciPy's functions find their traced versions."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from wengert.errors import UnsupportedFunctionError
from wengert.tracing.trace import where

F = TypeVar("F", bound=Callable[..., Any])

implementations: dict[Any, Callable[..., Any]] = {}
ufunc_methods: dict[tuple[Any, str], Callable[..., Any]] = {}
elementwise_functions: list[Callable[..., Any]] = []  # what tries a ufunc that is not in the table
entrywise: set[Any] = set()  # ufuncs to whose traced versions arrays from outside are mere leaves


def implements(*functions: Any) -> Callable[[F], F]:
    """Enter the traced version of NumPy or SciPy functions (of one meaning)."""

    def enter(implementation: F) -> F:
        for function in functions:
            implementations[function] = implementation
        return implementation

    return enter


def name_of(function: Any) -> str:
    """The function as users write it: ``np.linalg.solve``."""
    if isinstance(function, str):  # what has no function: indexing, a method
        return function
    module = getattr(function, "__module__", None) or "numpy"
    if isinstance(function, np.ufunc) and module == "numpy" and not hasattr(np, function.__name__):
        module = "scipy.special"
    name = getattr(function, "__name__", None) or type(function).__name__
    module = "".join(f"{part}." for part in module.split(".") if not part.startswith("_"))
    return f"{module.replace('numpy', 'np', 1)}{name}"


# What to write instead of functions that have no derivative, or change arrays in place.
_REMEDIES = {
    "np.copyto": "wg.at(x)[...].set(values)",
    "np.put": "wg.at(x)[...].set(values)",
    "np.put_along_axis": "wg.at(x)[...].set(values)",
    "np.place": "np.where(mask, values, x)",
    "np.putmask": "np.where(mask, values, x)",
    "np.fill_diagonal": "x - np.diag(np.diag(x)) + np.diag(values)",
    "np.unique": "wg.stop_gradient(x) for the values without a derivative",
    "np.histogram": "wg.stop_gradient(x) for the counts, which have no derivative",
    "np.round": "x itself: a rounded value has derivative 0",
    "np.piecewise": "np.where, or np.select for several conditions",
    "np.nanmedian": "np.median of x[~np.isnan(x)]",
    "np.nanquantile": "np.quantile of x[~np.isnan(x)]",
    "np.unwrap": "the angles themselves, with np.where(condition, x - 2 * np.pi, x)",
    "np.around": "x itself: a rounded value has derivative 0",
    "np.frexp": "np.log2, np.floor and np.ldexp",
    "np.linalg.matrix_rank": "wg.stop_gradient(x): a rank has no derivative",
    "np.vectorize": "NumPy's own functions on whole arrays, or wg.vmap",
    "np.apply_along_axis": "wg.vmap, or the function's axis argument",
    "np.savetxt": "wg.stop_gradient(x)",
}


def unsupported(function: Any, detail: str = "") -> UnsupportedFunctionError:
    """The error for a function that cannot be traced, with the nearest supported way."""
    name = name_of(function)
    if detail:
        return UnsupportedFunctionError(f"{where()}: {name} of a traced array: {detail}")
    known = [name_of(f) for f in implementations if not isinstance(f, str)]
    remedy = _REMEDIES.get(name)
    if remedy is None:
        close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        nearest = (
            f"the nearest supported functions are {', '.join(close)}"
            if close
            else ("write it with functions that are supported")
        )
        remedy = f"{nearest}, or give it a derivative with wg.custom_derivative"
    else:
        remedy = f"use {remedy}"
    return UnsupportedFunctionError(
        f"{where()}: {name} is not supported on traced arrays; {remedy}. "
        "docs/operations.md lists what is supported"
    )
