"""Branches and loops for compiled code: cond, scan, fori_loop, while_loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import optree

from wengert import operations
from wengert.errors import ShapeError, TracingError
from wengert.expr import Expr
from wengert.operations import control
from wengert.structured import run
from wengert.tracing import Trace, TracedArray, current_trace, dtype_of_kind, lift, new_trace
from wengert.transforms.evaluation import evaluate_known
from wengert.transforms.recording import describe, output_of, settle, shown

Function = Callable[..., Any]
Built = tuple[list[Expr], list[Any], Any]
_Part = tuple[Expr, Any, bool]  # with its dtype; is it one of Python's numbers?


def _settled(build: Callable[[Trace], Built]) -> Any:
    """What is built, within the run that is going on, or computed at once."""
    outer = current_trace()
    if outer is not None:
        exprs, dtypes, structure = build(outer)
        flat = [settle(outer, e, d) for e, d in zip(exprs, dtypes, strict=True)]
        return optree.tree_unflatten(structure, flat)
    with new_trace(evaluate_known) as trace:
        exprs, dtypes, structure = build(trace)
        arrays = run(tuple(exprs), dict(trace.values))
    flat = [np.asarray(a).astype(d)[()] for a, d in zip(arrays, dtypes, strict=True)]
    return optree.tree_unflatten(structure, flat)


class _Body:
    """A user's function on expressions: it runs on traced arrays whose values are not known."""

    def __init__(self, function: Function, structures: Sequence[Any], dtypes: Sequence[list[Any]]):
        self.function = function
        self.structures = structures
        self.dtypes = dtypes
        self.output: Any = None
        self.output_dtypes: list[Any] = []
        self.results: list[_Part] = []

    def __call__(self, *groups: list[Expr]) -> list[Expr]:
        with new_trace(evaluate_known) as trace:
            trace.leaves += [e for group in groups for e in group]  # of unknown values
            arguments = [
                optree.tree_unflatten(
                    s, [TracedArray(e, trace, d) for e, d in zip(g, types, strict=True)]
                )
                for g, s, types in zip(groups, self.structures, self.dtypes, strict=True)
            ]
            result = self.function(*arguments)
            flat, self.output = optree.tree_flatten(result)
            lifted = [output_of(trace, o, self.function) for o in flat]
        self.output_dtypes = [d for _, d in lifted]
        self.results = [
            (e, d, type(o) in (bool, int, float)) for (e, d), o in zip(lifted, flat, strict=True)
        ]
        return [e for e, _ in lifted]


def _check_structure(name: str, what: str, expected: Any, given: Any, function: Any) -> None:
    if given != expected:
        raise TracingError(
            f"{name}: {what} is {shown(expected)} at first, but {describe(function)} returns "
            f"{shown(given)}"
        )


def _check_state(name: str, structure: Any, before: list[_Part], body: _Body) -> None:
    _check_structure(name, "the state", structure, body.output, body.function)
    _check_kept(name, "state", structure, before, body.results, body.function)


def _check_kept(
    name: str, what: str, structure: Any, before: list[_Part], after: list[_Part], function: Any
) -> None:
    """Refuse a step that changes the shape or the dtype of a part of the state.

    Raises
    ------
    ShapeError
        Naming the part as the user would write it.
    """
    for accessor, (old, old_dtype, _), (new, new_dtype, plain) in zip(
        structure.accessors(), before, after, strict=True
    ):
        if old.shape == new.shape and (
            old.dtype == new.dtype and (plain or old_dtype == new_dtype or old.dtype != "real")
        ):
            continue
        remedy = "each step must keep shapes and dtypes"
        if old.shape == new.shape:
            remedy = f"start with a value of dtype {new_dtype}, or convert with astype"
            if (old.dtype, new.dtype, old.shape) == ("int", "real", ()):
                remedy = "start with a float (1.0 instead of 1)"
        raise ShapeError(
            f"{name}: the {accessor.codify(what)} is {_kind(old, old_dtype)} at first, but "
            f"{describe(function)} returns one that is {_kind(new, new_dtype)}; {remedy}"
        )


def _check_alike(one: _Body, other: _Body, function: Any, alternative: Any) -> None:
    """Refuse branches whose results differ in structure, shape or kind."""
    if one.output != other.output:
        raise TracingError(
            f"cond: {describe(function)} gives {shown(one.output)}, but {describe(alternative)} "
            f"gives {shown(other.output)}; both branches must give the same structure"
        )
    for accessor, (a, a_dtype, _), (b, b_dtype, _) in zip(
        one.output.accessors(), one.results, other.results, strict=True
    ):
        if a.shape != b.shape or a.dtype != b.dtype:
            remedy = "both branches must give the same shapes and dtypes"
            if a.shape == b.shape and {a.dtype, b.dtype} == {"int", "real"}:
                remedy = "return floats from both (0.0 instead of 0)"
            raise ShapeError(
                f"cond: {accessor.codify('the result')} of {describe(function)} is "
                f"{_kind(a, a_dtype)}, but of {describe(alternative)} {_kind(b, b_dtype)}; {remedy}"
            )


def _truth(expr: Expr) -> Expr:
    """A number as a truth value: is it not 0?"""
    if expr.dtype == "bool":
        return expr
    return operations.elementwise("not_equal", operations.as_real(expr), operations.constant(0))


def _kind(expr: Expr, dtype: Any) -> str:
    return f"of shape {expr.shape} and dtype {dtype}" if expr.ndim else f"one {dtype}"


def _parts(exprs: list[Expr], dtypes: list[Any]) -> list[_Part]:
    return [(e, d, False) for e, d in zip(exprs, dtypes, strict=True)]


def _whole(value: Any, what: str) -> Any:
    """A number of steps as Python's integer; None stays None."""
    if value is None or type(value) is int:
        return value
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    raise TracingError(f"{what} must be an integer; got {value!r}")


def _flat(trace: Trace, tree: Any) -> tuple[list[Expr], list[Any], Any]:
    flat, structure = optree.tree_flatten(tree)
    exprs = [lift(trace, v) for v in flat]
    dtypes = [
        v.dtype if hasattr(v, "dtype") and v.dtype != object else dtype_of_kind(e.dtype)
        for v, e in zip(flat, exprs, strict=True)
    ]
    return exprs, dtypes, structure


def cond(predicate: Any, true_fun: Function, false_fun: Function, *operands: Any) -> Any:
    """One of two functions by a truth value; only that one is run, also in derivatives.

    Parameters
    ----------
    predicate : bool array of shape ()
        Which branch.
    true_fun, false_fun : callable
        Of the operands; their results have the same structure, shapes and dtypes.
    *operands
        Arrays or pytrees.

    Raises
    ------
    ShapeError
        If the results do not fit.

    Examples
    --------
    >>> float(cond(True, np.sin, np.cos, 0.0))
    0.0
    """

    def build(trace: Trace) -> Built:
        chosen = lift(trace, predicate)
        if chosen.shape != ():
            raise TracingError(f"cond: the predicate must be one truth value, not {chosen.shape}")
        exprs, dtypes, structure = _flat(trace, operands)
        bodies = [
            _Body(lambda args, g=g: g(*args), [structure], [dtypes]) for g in (true_fun, false_fun)
        ]

        def on_true(operands: list[Expr]) -> list[Expr]:
            results = bodies[0](operands)
            _check_alike(bodies[0], bodies[1], true_fun, false_fun)  # that one has run before
            return results

        found = control.cond(_truth(chosen), on_true, bodies[1], exprs)
        dtypes = [
            np.result_type(a, b) if e.dtype == "real" else a
            for e, a, b in zip(found, bodies[0].output_dtypes, bodies[1].output_dtypes, strict=True)
        ]
        return found, dtypes, bodies[0].output

    return _settled(build)


def scan(
    f: Function,
    init: Any,
    xs: Any = None,
    length: int | None = None,
    *,
    reverse: bool = False,
    checkpoint: bool | int = False,
) -> Any:
    """A loop over the first axis of arrays that carries a state and collects results.

    Parameters
    ----------
    f : callable
        ``f(carry, x) -> (carry, y)``.
    init : pytree
        The first carry; each step keeps its structure, shapes and dtypes.
    xs : pytree of arrays, optional
        ``f`` gets their entries along the first axis.
    length : int, optional
        The number of steps, needed without ``xs``.
    reverse : bool
        From the last entry to the first.
    checkpoint : bool or int
        In reverse mode keep the carry at every so many steps only (True: the square root of the
        length), and compute the steps between again: memory O(√T).

    Returns
    -------
    tuple
        The last carry, and the results stacked along a first axis.

    Examples
    --------
    >>> total, sums = scan(lambda c, x: (c + x, c + x), 0.0, np.array([1.0, 2.0, 3.0]))
    >>> float(total), sums
    (6.0, array([1., 3., 6.]))
    """

    def build(trace: Trace) -> Built:
        carry, dtypes, structure = _flat(trace, init)
        items, item_dtypes, item_structure = _flat(trace, xs)
        count = len(carry)
        body = _Body(f, [structure, item_structure], [dtypes, item_dtypes])

        def step(c: list[Expr], x: list[Expr]) -> tuple[list[Expr], list[Expr]]:
            found = body(c, x)
            if body.output.type not in (tuple, list) or len(body.output.children()) != 2:
                raise TracingError(f"scan: {describe(f)} must return (carry, y)")
            _check_structure("scan", "the carry", structure, body.output.children()[0], f)
            _check_kept("scan", "carry", structure, _parts(carry, dtypes), body.results[:count], f)
            return found[:count], found[count:]

        steps = _whole(length, "scan: length")
        if steps is not None and steps < 0:
            raise ShapeError(f"scan: length must be 0 or more; got {steps}")
        finals, outputs = control.scan(
            step, carry, items, steps, reverse=reverse, checkpoint=checkpoint
        )
        return [*finals, *outputs], [*dtypes, *body.output_dtypes[count:]], body.output

    return _settled(build)


def fori_loop(
    lower: Any, upper: Any, body_fun: Function, init: Any, *, checkpoint: bool | int = False
) -> Any:
    """``body_fun(i, state)`` for i from ``lower`` up to but without ``upper``.

    Parameters
    ----------
    lower, upper : int
        The bounds; traced integers are allowed (then without ``checkpoint``).
    body_fun : callable
        ``body_fun(i, state) -> state``.
    init : pytree
        The first state; each step keeps its structure, shapes and dtypes.
    checkpoint : bool or int
        As in :func:`scan`.

    Examples
    --------
    >>> float(fori_loop(0, 5, lambda i, s: s + i, 0.0))
    10.0
    """

    def build(trace: Trace) -> Built:
        state, dtypes, structure = _flat(trace, init)
        one = optree.tree_structure(0)
        body = _Body(body_fun, [one, structure], [[np.dtype(int)], dtypes])
        bounds = [
            int(b) if isinstance(b, int | np.integer) else lift(trace, b) for b in (lower, upper)
        ]
        for bound in bounds:
            if isinstance(bound, Expr) and (bound.dtype, bound.shape) != ("int", ()):
                raise TracingError(
                    "fori_loop: the bounds must be integers; got one "
                    f"{_kind(bound, dtype_of_kind(bound.dtype))}"
                )

        def step(i: Expr, s: list[Expr]) -> list[Expr]:
            found = body([i], s)
            _check_state("fori_loop", structure, _parts(state, dtypes), body)
            return found

        found = control.fori_loop(bounds[0], bounds[1], step, state, checkpoint=checkpoint)
        return found, dtypes, structure

    return _settled(build)


def while_loop(
    cond_fun: Function,
    body_fun: Function,
    init: Any,
    *,
    max_steps: int | None = None,
    checkpoint: bool | int = False,
) -> Any:
    """``state = body_fun(state)`` as long as ``cond_fun(state)`` holds.

    The number of steps counts as constant in derivatives. Both modes work; reverse mode keeps the
    states of all steps (every so many with ``checkpoint``).

    Parameters
    ----------
    cond_fun : callable
        Gives one truth value.
    body_fun : callable
        ``body_fun(state) -> state`` of the same structure, shapes and dtypes.
    init : pytree
        The first state.
    max_steps : int, optional
        End after so many steps at the latest.
    checkpoint : bool or int
        As in :func:`scan`.

    Examples
    --------
    >>> float(while_loop(lambda x: x < 100.0, lambda x: 2 * x, 1.0))
    128.0
    """

    def build(trace: Trace) -> Built:
        state, dtypes, structure = _flat(trace, init)
        condition = _Body(cond_fun, [structure], [dtypes])
        body = _Body(body_fun, [structure], [dtypes])

        def goes_on(s: list[Expr]) -> Expr:
            found = condition(s)
            if len(found) != 1 or found[0].shape != ():
                raise TracingError(
                    f"while_loop: the condition {describe(cond_fun)} must give one truth value; "
                    f"it gave {shown(condition.output)} {[e.shape for e in found]}"
                )
            return _truth(found[0])

        def step(s: list[Expr]) -> list[Expr]:
            found = body(s)
            _check_state("while_loop", structure, _parts(state, dtypes), body)
            return found

        limit = _whole(max_steps, "while_loop: max_steps")
        found = control.while_loop(goes_on, step, state, limit, checkpoint=checkpoint)
        return found, dtypes, structure

    return _settled(build)


def stop_gradient(x: Any) -> Any:
    """The values as constants: no derivative passes through.

    Examples
    --------
    >>> from wengert.transforms import grad
    >>> float(grad(lambda x: x * stop_gradient(x))(3.0))
    3.0
    """

    def stopped(value: Any) -> Any:
        if not isinstance(value, TracedArray) or value.expr.dtype != "real":
            return value
        value.run.check_open()
        return TracedArray(
            operations.elementwise("stop_gradient", value.expr), value.run, value.dtype
        )

    return optree.tree_map(stopped, x)
