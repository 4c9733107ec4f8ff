"""Python functions that know no protocol: they take part when they are first needed.

SciPy's are written in Python mostly, and NumPy's means and deviations of lists come down to such
functions. :func:`install` gives each one other code, which goes to the traced version if a traced
array is among the arguments, and to the code that it had otherwise. So the function stays the same
object, and it does not matter how it is named: by an import, in a dict, as a default or a bound
method that was taken long before. Ufuncs need none of this.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import update_wrapper
from types import FunctionType
from typing import Any

import numpy as np

from wengert.locks import process_lock
from wengert.tracing.dispatch import implementations
from wengert.tracing.lifting import holds_traced
from wengert.tracing.scipy_distributions import SCIPY_STATS, methods_of_distributions

Functions = dict[str, Callable[..., Any]]

versions: dict[str, Functions] = {
    "scipy.linalg": {},
    "scipy.special": {},
    "scipy.signal": {},
    "scipy.integrate": {},
}

_MARK = "__wengert_original__"
_lock = process_lock()
_CALLED = "what is called"


def version_of(module: str, *names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter the traced version of functions of SciPy (of one meaning)."""

    def enter(implementation: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            versions[module][name] = implementation
        return implementation

    return enter


def _behind_numpy() -> dict[str, Functions]:
    """What NumPy's functions of lists and of object arrays come down to.

    ``np.mean([x, y])`` asks no protocol: NumPy looks for one in the list itself only.
    """
    means = {"_mean": np.mean, "_var": np.var, "_std": np.std}
    return {"numpy._core._methods": {k: implementations[f] for k, f in means.items()}}


def install() -> None:
    """Let all functions take traced arrays that do not yet; cheap if there are none.

    Modules of SciPy that are not loaded are left alone, so that they need not be imported for
    those who do not use them.
    """
    with _lock:
        for name, functions in (*versions.items(), *_behind_numpy().items()):
            module = sys.modules.get(name)
            for key, ours in functions.items():
                _install(getattr(module, key, None), ours)
        if SCIPY_STATS in sys.modules:
            for cls, key, ours in methods_of_distributions():
                _install(getattr(cls, key), ours)


def original_of(function: Any) -> Any:
    """What a function was before; the function itself if it is none of these."""
    return getattr(function, _MARK, function)


def _install(function: Any, ours: Callable[..., Any]) -> None:
    """Give a function code that goes to ours if a traced array is among the arguments."""
    if not isinstance(function, FunctionType) or hasattr(function, _MARK):
        return
    original = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    update_wrapper(original, function)
    original.__kwdefaults__ = function.__kwdefaults__
    vars(original).pop("__wrapped__")
    vars(original).update(vars(function))

    def either(*args: Any, **kwargs: Any) -> Any:
        if any(map(holds_traced, args)) or any(map(holds_traced, kwargs.values())):
            return ours(*args, **kwargs)
        return original(*args, **kwargs)

    code = _calling.__code__
    constants = tuple(either if c == _CALLED else c for c in code.co_consts)
    setattr(function, _MARK, original)
    setattr(function, "__wrapped__", original)  # noqa: B010 - which has its signature
    function.__code__ = code.replace(
        co_consts=constants, co_freevars=function.__code__.co_freevars, co_name=function.__name__
    )


def _calling(*args: Any, **kwargs: Any) -> Any:
    """The code of such functions: what it calls is one of its constants."""
    called: Any = "what is called"
    return called(*args, **kwargs)
