"""A Python function's run on traced arguments, and results in terms of what is outside of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import optree

from wengert.backends import owned
from wengert.errors import TracingError, UnsupportedFunctionError
from wengert.expr import Expr, below, rebuild, topological
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import is_variable
from wengert.structured import run
from wengert.tracing import (
    Trace,
    TracedArray,
    dtype_of_kind,
    kind_of,
    lift,
    new_trace,
    refuse_subclass,
    where,
)
from wengert.transforms.evaluation import evaluate_known

Tree = Any


@dataclass(frozen=True)
class Recorded:
    """What a run on traced arguments gave.

    Attributes
    ----------
    trace : Trace
        The run, which has ended.
    leaves : tuple of Expr
        The traced arguments, flattened.
    arguments : tuple
        What they stand for: arrays, or traced arrays of an outer run.
    structure : optree.PyTreeSpec
        How the traced arguments were nested.
    roots : tuple of Expr
        The results, flattened.
    dtypes : tuple of numpy.dtype
        Of the results.
    output : optree.PyTreeSpec
        How the results were nested.
    aux : object
        What the function gave besides, with has_aux; still traced.
    """

    trace: Trace
    leaves: tuple[Expr, ...]
    arguments: tuple[Any, ...]
    structure: Any
    roots: tuple[Expr, ...]
    dtypes: tuple[Any, ...]
    output: Any
    aux: Any = None

    @property
    def leaf_dtypes(self) -> list[Any]:
        """dtypes of the traced arguments."""
        return [_dtype(a) for a in self.arguments]

    def unflatten(self, flat: Sequence[Any]) -> Tree:
        """Results nested as the function's own."""
        return optree.tree_unflatten(self.output, flat)

    def finish_aux(self) -> Any:
        """What the function gave besides."""
        flat, structure = optree.tree_flatten(self.aux)
        for a in flat:
            if isinstance(a, TracedArray) and a.run is not self.trace:
                a.run.check_open()
        placed = [
            self.finish([a.expr], [a.dtype])[0] if isinstance(a, TracedArray) else a for a in flat
        ]
        return optree.tree_unflatten(structure, placed)

    def finish(
        self,
        exprs: Sequence[Expr],
        dtypes: Sequence[Any],
        extra: Mapping[Expr, Any] | None = None,
    ) -> list[Any]:
        """Results over the leaves as arrays, or as traced arrays within an outer run.

        Parameters
        ----------
        exprs : sequence of Expr
            Expressions over the leaves, constants, and the leaves of ``extra``.
        dtypes : sequence of numpy.dtype
            Of the results.
        extra : mapping of Expr to array, optional
            Further leaves (tangents, cotangents) with what they stand for.
        """
        meant = {**dict(zip(self.leaves, self.arguments, strict=True)), **(extra or {})}
        outer = self.trace.parent
        if outer is None:
            values = {**_known(self.trace), **meant}
            arrays = run(tuple(exprs), values)
            return [owned(a, d, values.values()) for a, d in zip(arrays, dtypes, strict=True)]
        outer.check_open()
        memo = {leaf: lift(outer, value, leaf.dtype) for leaf, value in meant.items()}
        renamed = any(leaf is not e for leaf, e in memo.items())
        placed = [rebuild(e, with_operands, memo) for e in exprs] if renamed else exprs
        return [settle(outer, e, d) for e, d in zip(placed, dtypes, strict=True)]

    def in_place(self) -> Recorded:
        """The same over the outer run's arguments, where each leaf stands for one of its own.

        What is derived from it need not be put in place, node for node, a second time.
        """
        meant = [a.expr for a in self.arguments if isinstance(a, TracedArray)]
        apart = len(set(meant)) == len(self.leaves) and all(map(is_variable, meant))
        if self.trace.parent is None or not apart:
            return self
        if not set(meant).isdisjoint(topological(*self.roots)):
            return self  # the function reads it from outside too, as another variable
        memo = dict(zip(self.leaves, meant, strict=True))
        roots = tuple([rebuild(root, with_operands, memo) for root in self.roots])
        return replace(self, leaves=tuple(meant), roots=roots)


def settle(trace: Trace, expr: Expr, dtype: Any) -> Any:
    """A traced array of a run; a plain one if it does not depend on the run's arguments."""
    constants = {leaf for _, leaf in trace.root.captured.values()}
    if any(is_variable(n) and n not in constants for n in below(expr)):
        return TracedArray(expr, trace, dtype)
    value = evaluate_known(expr, trace.values, trace.known)
    return np.asarray(value).astype(dtype, copy=False)[()]


def _known(trace: Trace) -> dict[Expr, Any]:
    """The arrays that a run captured."""
    return {leaf: trace.values[leaf] for _, leaf in trace.root.captured.values()}


# ---------------------------------------------------------------- running


def record(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    argnums: int | tuple[int, ...],
    *,
    has_aux: bool = False,
    name: str = "grad",
    valued: bool = True,
) -> Recorded:
    """Run a function with some of its positional arguments traced.

    Without ``valued`` the arguments have no values while it runs, so that what is recorded holds
    for all of them.

    Raises
    ------
    UnsupportedFunctionError
        If a traced argument is no real array.
    UnknownValueError
        If the function needs a value that it is not to know.
    """
    chosen = pick(args, argnums)
    values, structure = optree.tree_flatten(chosen)
    arguments = tuple(real_argument(v, name) for v in values)
    with new_trace(evaluate_known if valued else None) as trace:
        leaf = _leaf if valued else _unknown_leaf
        traced = [TracedArray(leaf(trace, a), trace, _dtype(a)) for a in arguments]
        leaves = tuple(t.expr for t in traced)
        given = put(args, argnums, optree.tree_unflatten(structure, traced))
        try:
            result = function(*given, **kwargs)
        except ValueError as error:  # NumPy's, on top of ours: a write into a plain array
            if isinstance(error.__cause__, TracingError):
                raise error.__cause__ from None
            raise
        aux = None
        if has_aux:
            result, aux = _with_aux(result, function)
        outputs, output = optree.tree_flatten(result)
        lifted = [output_of(trace, o, function) for o in outputs]
    roots = tuple(expr for expr, _ in lifted)
    dtypes = tuple(dtype for _, dtype in lifted)
    return Recorded(trace, leaves, arguments, structure, roots, dtypes, output, aux)


def check_callable(function: Any, name: str) -> None:
    """An error if that is no function: a call of it, perhaps.

    Raises
    ------
    TypeError
        With the remedy.
    """
    if not callable(function):
        raise TypeError(
            f"{where()}: {name} takes a function, not a {type(function).__name__}: "
            f"wg.{name}(f), without calling f"
        )


def plain_array(value: Any, name: str) -> Any:
    """An argument that is no traced array, as an array; a Python float stays one.

    Raises
    ------
    UnsupportedFunctionError
        For masked arrays and matrices, which compute in other ways than arrays do.
    """
    if isinstance(value, TracedArray) or type(value) is float:
        return value
    refuse_subclass(value, name)
    array = np.asarray(value)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def pick(args: tuple[Any, ...], argnums: int | tuple[int, ...]) -> Tree:
    """The chosen arguments: one as it is, several as a tuple.

    Raises
    ------
    TracingError
        If there are fewer arguments.
    """
    wanted = argnums if isinstance(argnums, tuple | list) else (argnums,)
    for k in wanted:
        if not isinstance(k, int | np.integer) or isinstance(k, bool):
            raise TypeError(f"argnums must be an integer or a tuple of integers; got {argnums!r}")
        if not -len(args) <= k < len(args):
            raise TracingError(
                f"argnums={argnums} asks for argument {k}, but {len(args)} positional arguments "
                "are given (keyword arguments are not differentiated)"
            )
    if len({k % len(args) for k in wanted}) < len(wanted):
        raise TracingError(f"argnums={argnums} names an argument twice")
    return tuple(args[k] for k in wanted) if wanted is argnums else args[wanted[0]]


def put(args: tuple[Any, ...], argnums: int | tuple[int, ...], chosen: Tree) -> list[Any]:
    """The arguments with the chosen ones replaced."""
    full = list(args)
    for k, value in (
        zip(argnums, chosen, strict=True)
        if isinstance(argnums, tuple | list)
        else [(argnums, chosen)]
    ):
        full[k] = value
    return full


def real_argument(value: Any, name: str) -> Any:
    """An argument to differentiate by: a float, a real array or a traced one.

    Raises
    ------
    UnsupportedFunctionError
        For integers, complex numbers, strings and so on, with the remedy.
    """
    if isinstance(value, TracedArray):
        value.run.check_open()
        dtype = value.dtype
    elif isinstance(value, float) and not isinstance(value, np.generic):
        return value
    else:
        given, value = value, plain_array(value, name)
        dtype = value.dtype
        if dtype.kind == "O" and not isinstance(given, np.ndarray | list | tuple):
            raise UnsupportedFunctionError(
                f"{where()}: {name} by an argument that is a {type(given).__name__}: derivatives "
                "are by arrays, numbers, and tuples, lists and dicts of them; register its type "
                "with optree.register_pytree_node, or choose other arguments with argnums"
            )
    if dtype.kind in "iub":
        raise UnsupportedFunctionError(
            f"{where()}: {name} by an argument of dtype {dtype}: derivatives are by real numbers; "
            "pass a float (3.0 instead of 3, x.astype(float)), or choose other arguments with "
            "argnums"
        )
    if dtype not in (np.dtype(np.float64), np.dtype(np.float32)):
        raise UnsupportedFunctionError(
            f"{where()}: {name} by an argument of dtype {dtype} is not supported; use float64 or "
            "float32"
        )
    return value


def output_of(trace: Trace, value: Any, function: Any) -> tuple[Expr, Any]:
    """A result as an expression, with its dtype.

    Raises
    ------
    UnsupportedFunctionError
        If it is no array.
    """
    try:
        expr = lift(trace, value)
    except (TypeError, ValueError, UnsupportedFunctionError):
        if isinstance(value, np.ndarray):
            raise
        raise UnsupportedFunctionError(
            f"{describe(function)} returned a {type(value).__name__}; results are arrays, numbers, "
            "and tuples, lists and dicts of them (other things go with has_aux=True)"
        ) from None
    if isinstance(value, TracedArray):
        return expr, value.dtype
    dtype = value.dtype if isinstance(value, np.ndarray | np.generic) else np.dtype(object)
    return expr, dtype if kind_of(dtype) else dtype_of_kind(expr.dtype)


def shown(structure: Any) -> str:
    """How something is nested, in Python's words: ``{'a': *, 'b': (*, *)}``."""
    return str(structure).removeprefix("PyTreeSpec(").removesuffix(")")


def describe(function: Any) -> str:
    """The function's name for messages."""
    return getattr(function, "__name__", None) or type(function).__name__


def _leaf(trace: Trace, value: Any) -> Expr:
    if isinstance(value, TracedArray):
        known = value.run.is_concrete
        return trace.leaf(
            value.shape,
            value.expr.dtype,
            (lambda: value.run.value_of(value.expr)) if known else None,
        )
    return trace.leaf(np.shape(value), "real", value)


def _unknown_leaf(trace: Trace, value: Any) -> Expr:
    return trace.leaf(np.shape(value), "real")


def _dtype(value: Any) -> Any:
    return np.dtype(float) if isinstance(value, float) else value.dtype


def _with_aux(result: Any, function: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise TracingError(f"has_aux=True: {describe(function)} must return (result, aux)")
    return result
