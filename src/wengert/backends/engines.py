"""Which engine runs plans: native code, compiled when it is first asked for, or NumPy.

The environment variable ``WENGERT_ENGINE`` says which one is taken where nobody names one.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from wengert.backends.cores import threads_named
from wengert.backends.numpy_backend import compile_plan
from wengert.backends.once import Once
from wengert.plan.instructions import Plan

Program = Callable[[Mapping[str, Any]], tuple[Any, ...]]

ENGINES = ("numpy", "native")
DEFAULT = "native"


def engine_named(name: str | None) -> str:
    """The engine of a name; by default that of the environment.

    Raises
    ------
    ValueError
        If there is none of that name.

    Examples
    --------
    >>> engine_named("native")
    'native'
    """
    found = name if name is not None else os.environ.get("WENGERT_ENGINE") or DEFAULT
    if found not in ENGINES:
        raise ValueError(f"there is no engine {found!r}; the engines are {', '.join(ENGINES)}")
    return found


def compile_with(plan: Plan, dtype: Any, engine: str, threads: int | None = None) -> Program:
    """A function from named arrays to a plan's outputs.

    Parameters
    ----------
    plan : Plan
        What to run.
    dtype : numpy dtype
        Of real numbers (float64 or float32).
    engine : str
        ``"native"`` is NumPy where native code cannot run; a warning says so once.
    threads : int, optional
        That native code may have (:func:`wengert.backends.cores.threads_named`).
    """
    if engine == "native" and (compiler := _native_compiler()) is not None:
        return compiler(plan, dtype, threads_named(threads))
    return compile_plan(plan, dtype)


def kept_functions() -> Any:
    """What keeps native functions on disk (:class:`wengert.backends.native.kept.Keeper`), or None.

    None where native code cannot run, too.
    """
    return None if _native_compiler() is None else _keeper()


@Once
def _keeper() -> Any:
    return importlib.import_module("wengert.backends.native.kept").keeper()


@Once
def _native_compiler() -> Callable[[Plan, Any, int], Program] | None:
    """The compiler of this machine; None if it has none."""
    host = importlib.import_module("wengert.backends.native.host")
    try:
        programs = importlib.import_module("wengert.backends.native.plans.programs")
        return programs.compiler()
    except host.UnsupportedHostError as error:
        warnings.warn(f"no native code here, NumPy runs instead: {error}", stacklevel=2)
        return None
