"""Python functions that know no protocol: replaced when first needed.

SciPy's are written in Python mostly, and NumPy's means and deviations of lists come down to such
functions. :func:`install` puts a wrapper in the place of each one, in its module and wherever else
the same function has been imported to. It goes to the traced version if a traced array is among
the arguments, and to the function itself otherwise. Ufuncs need none of this.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial, wraps
from types import MethodType
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
_wrappers: dict[int, Any] = {}  # by the identity of the functions, which the wrappers hold


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


def dispatching(original: Any, ours: Callable[..., Any]) -> Callable[..., Any]:
    """The function, but ours of traced arrays."""

    @wraps(original)
    def function(*args: Any, **kwargs: Any) -> Any:
        if any(map(holds_traced, args)) or any(map(holds_traced, kwargs.values())):
            return ours(*args, **kwargs)
        return original(*args, **kwargs)

    setattr(function, _MARK, original)
    return function


def install() -> None:
    """Replace the functions that are not replaced yet; cheap if there are none.

    Modules of SciPy that are not loaded are left alone, so that they need not be imported for
    those who do not use them.
    """
    with _lock:
        found: dict[int, Any] = {}
        for name, functions in (*versions.items(), *_behind_numpy().items()):
            module = sys.modules.get(name)
            for key, ours in functions.items():
                original = getattr(module, key, None)
                if original is not None and not hasattr(original, _MARK):
                    found[id(original)] = dispatching(original, ours)
        if found:
            _replace(found)
        if SCIPY_STATS in sys.modules:
            for cls, key, ours in methods_of_distributions():
                original = getattr(cls, key)
                if not hasattr(original, _MARK):
                    setattr(cls, key, dispatching(original, ours))


def replaced(function: Any) -> Any:
    """What a function of SciPy that was taken from its module before is now: its wrapper.

    Whoever writes ``grad(scipy.special.logsumexp)`` has it before the first trace replaces it.
    """
    if isinstance(function, partial):
        return partial(replaced(function.func), *function.args, **function.keywords)
    if isinstance(function, MethodType):
        own = getattr(type(function.__self__), function.__name__, None)
        return MethodType(own, function.__self__) if hasattr(own, _MARK) else function
    return _wrappers.get(id(function), function)


def _replace(found: dict[int, Any]) -> None:
    """Put the wrappers wherever a module's globals hold the functions."""
    _wrappers.update(found)
    for name, module in list(sys.modules.items()):
        names = getattr(module, "__dict__", None)
        if name.partition(".")[0] == "wengert" or not isinstance(names, dict):
            continue
        for key, value in list(names.items()):
            if id(value) in found and getattr(found[id(value)], _MARK) is value:
                names[key] = found[id(value)]
