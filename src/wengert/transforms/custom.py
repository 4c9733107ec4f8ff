"""Functions with derivatives of the user's own: rules, Jacobians, implicit functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import update_wrapper
from hashlib import blake2b
from typing import Any

import numpy as np

from wengert.derive import jacobians, pullback, pushforward
from wengert.errors import MissingRuleError, ShapeError, TracingError, UnknownValueError
from wengert.expr import Expr, rebuild, topological
from wengert.operations import (
    CALL,
    apply,
    contract,
    int_array,
    move_axis,
    neg,
    ones,
    reshape,
    solve,
    variable,
    zeros,
)
from wengert.operations.batching import batch_dependent, spread
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import is_zero
from wengert.rewrite import recognise
from wengert.tracing import TracedArray, current_trace, detached_trace, lift, trace_of
from wengert.transforms.recording import check_callable, describe
from wengert.transforms.surroundings import Surroundings

Function = Callable[..., Any]


def custom_derivative(
    f: Function | None = None,
    *,
    jvp: Function | None = None,
    vjp: Function | None = None,
    jacobian: Function | None = None,
    shape: tuple[int, ...] | Function | None = None,
) -> Any:
    """A function that is called as it is (Fortran, tables, solvers), with the user's derivative.

    Parameters
    ----------
    f : callable
        Gets arrays (positional arguments only) and gives one array; it is never traced.
    jvp : callable
        ``jvp(primals, tangents) -> tangent`` with tuples, linear in the tangents.
    vjp : callable
        ``vjp(cotangent, result, *args) -> cotangents``, a tuple with one an argument.
    jacobian : callable
        ``jacobian(*args)``: the Jacobian, outputs first; a tuple of them for several arguments.
    shape : tuple or callable, optional
        Of the result, or a function from the arguments' shapes to it; by default ``f`` is called
        once to find out.

    Returns
    -------
    callable
        To use as ``f``. One rule is enough for both modes; rules written with NumPy are traced, so
        that they can be differentiated again. Hold it against differences with
        :func:`check_derivatives`.

    Raises
    ------
    MissingRuleError
        When it is differentiated without a rule.

    Examples
    --------
    >>> from wengert.transforms import grad
    >>> sine = custom_derivative(np.sin, jacobian=lambda x: np.cos(x))
    >>> float(grad(sine)(0.0)), float(grad(grad(sine))(np.pi / 2))
    (1.0, -1.0)
    """
    if f is None:
        return lambda g: custom_derivative(g, jvp=jvp, vjp=vjp, jacobian=jacobian, shape=shape)
    check_callable(f, "custom_derivative")
    if sum(r is not None for r in (jvp, vjp, jacobian)) > 1:
        raise TypeError("custom_derivative: give one of jvp=, vjp= and jacobian=; it is enough")
    rule: Rule | None = None
    if jvp is not None:
        rule = _Pushed(jvp)
    elif vjp is not None:
        rule = _Pulled(vjp)
    elif jacobian is not None:
        rule = _Dense(jacobian)
    return Custom(f, rule, shape)


class Rule:
    """How a custom function is differentiated.

    Attributes
    ----------
    functions : tuple of callable
        The user's functions that say how.
    """

    functions: tuple[Function, ...] = ()

    def push(self, node: Expr, k: int, tangent: Expr) -> Expr | None:
        """The result's tangent from that of operand k."""
        raise NotImplementedError

    def pull(self, node: Expr, k: int, cotangent: Expr) -> Expr | None:
        """The cotangent of operand k."""
        raise NotImplementedError


class Custom:
    """A function with its own derivative; made by :func:`custom_derivative`."""

    def __init__(self, function: Function, rule: Rule | None, shape: Any) -> None:
        update_wrapper(self, function, updated=())  # another Custom's attributes are its own
        self.function = function
        self.rule = rule
        self.shape = shape
        self._read_besides = () if rule is None else rule.functions
        self._externals: dict[Any, tuple[Surroundings, _External]] = {}

    def __call__(self, *args: Any) -> Any:
        """The function's value, or the call written down."""
        if current_trace() is None or not any(isinstance(a, TracedArray) for a in args):
            return self.function(*args)
        trace = trace_of(*args)
        operands = [lift(trace, a, "real") for a in args]
        shapes = tuple(o.shape for o in operands)
        external = self._external(shapes, operands, args)
        return TracedArray(apply(CALL, *operands, function=external), trace, np.dtype(float))

    def _external(
        self, shapes: tuple[Any, ...], operands: Sequence[Expr], args: Sequence[Any]
    ) -> _External:
        """The function at these shapes; another one if its rule reads other things than before.

        What is derived from a call is kept, and it holds what the rule read.
        """
        found = self._externals.get(shapes)
        if found is not None and found[0].changed() is None:
            return found[1]
        surroundings = Surroundings(*self._read_besides)
        surroundings.guard(surroundings.arrays)
        external = _External(self, shapes, self._shape(operands, args))
        self._externals[shapes] = surroundings, external
        return external

    def _shape(self, operands: Sequence[Expr], args: Sequence[Any]) -> tuple[int, ...]:
        if callable(self.shape):
            return tuple(self.shape(*(o.shape for o in operands)))
        if self.shape is not None:
            return tuple(self.shape)
        try:
            values = [a.value if isinstance(a, TracedArray) else a for a in args]
        except UnknownValueError:
            values = [np.ones(o.shape) for o in operands]  # pyright: ignore
        return np.shape(self.function(*values))


class _External:
    """The function on operands of certain shapes, as the operation has it."""

    def __init__(self, custom: Custom, shapes: tuple[Any, ...], shape: tuple[int, ...]) -> None:
        self.custom = custom
        self.ranks = tuple(map(len, shapes))
        self.shape = shape
        self.name = describe(custom.function).strip("<>")

    def __repr__(self) -> str:
        return f"{self.name}@{id(self.custom):x}{self.ranks}{self.shape}"

    def evaluate(self, *arrays: Any) -> Any:
        """One call."""
        return self.custom.function(*arrays)

    def push(self, node: Expr, k: int, tangent: Expr) -> Expr | None:
        """By the rule."""
        if node.ndim > len(self.shape):
            return self._one_by_one(self.push, node, k, tangent, node.operands[k].ndim)
        return self._rule().push(node, k, tangent)

    def pull(self, node: Expr, k: int, cotangent: Expr) -> Expr | None:
        """By the rule."""
        if node.ndim > len(self.shape):
            return self._one_by_one(self.pull, node, k, cotangent, node.ndim)
        return self._rule().pull(node, k, cotangent)

    def _one_by_one(self, rule: Any, node: Expr, k: int, vector: Expr, rank: int) -> Expr | None:
        """A batch of calls: the rule of one call, for all of them."""
        size, extra = node.shape[0], vector.ndim - rank
        rows = [
            variable(f"·row{node.digest:x}.{j}", o.shape[1:]) for j, o in enumerate(node.operands)
        ]
        every = move_axis(vector, extra, 0) if extra else vector
        one = variable(f"·row{node.digest:x}", every.shape[1:])
        found = rule(apply(CALL, *rows, function=self), k, one)
        if found is None:
            return None
        wide = {**dict(zip(rows, node.operands, strict=True)), one: every}
        (result,) = batch_dependent([found], wide)
        result = spread(found, size) if result is None else result
        return move_axis(result, 0, extra) if extra else result

    def _rule(self) -> Rule:
        if self.custom.rule is None:
            raise MissingRuleError(
                f"{self.name} has no derivative: give jvp=, vjp= or jacobian= to custom_derivative"
            )
        return self.custom.rule


def traced_rule(rule: Function, *given: Expr) -> list[Expr | None]:
    """What a rule gives, as expressions that stand by themselves: its arrays are part of them."""
    with detached_trace() as trace:
        result = rule(*(TracedArray(e, trace, np.dtype(float)) for e in given))
        parts = result if isinstance(result, tuple | list) else (result,)
        found = [None if p is None else lift(trace, p, "real") for p in parts]
    memo = {leaf: _literal(leaf, trace.values[leaf]) for _, leaf in trace.captured.values()}
    return [None if e is None else rebuild(e, with_operands, memo) for e in found]


def _literal(leaf: Expr, array: Any) -> Expr:
    if leaf.dtype != "real":
        return int_array(np.asarray(array))
    return apply(CALL, function=_Literal(array))


class _Literal:
    """An array as a function without arguments."""

    name = "array"
    ranks = ()

    def __init__(self, array: Any) -> None:
        self.array = np.array(array)
        self.shape = self.array.shape
        self.key = blake2b(self.array.tobytes(), digest_size=16).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Literal) and (self.key, self.shape) == (other.key, other.shape)

    def __hash__(self) -> int:
        return hash((self.key, self.shape))

    def __repr__(self) -> str:
        return f"array{self.shape}{self.key}"

    def evaluate(self) -> Any:
        """The array."""
        return self.array

    def push(self, node: Expr, k: int, tangent: Expr) -> Expr | None:
        """There are no operands."""
        return None

    pull = push


def _placeholder(node: Expr, k: int, what: str, shape: Any) -> Expr:
    return variable(f"·{what}{node.digest:x}.{k}", shape)


class _Pushed(Rule):
    """From ``jvp(primals, tangents)``."""

    def __init__(self, rule: Function) -> None:
        self.rule = rule
        self.functions = (rule,)

    def _linear(self, node: Expr, k: int) -> tuple[Expr, Expr]:
        given = _placeholder(node, k, "tangent", node.operands[k].shape)

        def run(tangent: Any, *primals: Any) -> Any:
            tangents = tuple(
                tangent if j == k else np.zeros(p.shape) for j, p in enumerate(primals)
            )
            return self.rule(primals, tangents)

        (found,) = traced_rule(run, given, *node.operands)
        if found is None:
            raise ShapeError("jvp gives nothing; a tangent of zeros is np.zeros_like(result)")
        _check(found, node.shape, "jvp gives a tangent")
        _check_linear(found, given, "jvp", "tangents")
        return found, given

    def push(self, node: Expr, k: int, tangent: Expr) -> Expr | None:
        linear, given = self._linear(node, k)
        return pushforward([linear], {given: tangent})[0]

    def pull(self, node: Expr, k: int, cotangent: Expr) -> Expr | None:
        linear, given = self._linear(node, k)
        return pullback([linear], [cotangent], [given])[0]


class _Pulled(Rule):
    """From ``vjp(cotangent, result, *args)``."""

    def __init__(self, rule: Function) -> None:
        self.rule = rule
        self.functions = (rule,)

    def _linear(self, node: Expr, k: int) -> tuple[Expr | None, Expr]:
        given = _placeholder(node, k, "cotangent", node.shape)
        found = traced_rule(self.rule, given, node, *node.operands)
        if len(found) != len(node.operands):
            raise ShapeError(
                f"vjp gives {len(found)} cotangents for {len(node.operands)} arguments"
            )
        linear = found[k]
        if linear is not None:
            _check(linear, node.operands[k].shape, f"vjp gives for argument {k} a cotangent")
            _check_linear(linear, given, "vjp", "cotangent")
        return linear, given

    def push(self, node: Expr, k: int, tangent: Expr) -> Expr | None:
        linear, given = self._linear(node, k)
        return None if linear is None else pullback([linear], [tangent], [given])[0]

    def pull(self, node: Expr, k: int, cotangent: Expr) -> Expr | None:
        linear, given = self._linear(node, k)
        return None if linear is None else pushforward([linear], {given: cotangent})[0]


class _Dense(Rule):
    """From the Jacobian; one that cannot be traced is called as it is."""

    def __init__(self, jacobian: Function) -> None:
        self.jacobian = jacobian
        self.functions = (jacobian,)

    def _blocks(self, node: Expr, k: int) -> Expr:
        wanted: Any = node.shape + node.operands[k].shape
        try:
            found = traced_rule(self.jacobian, *node.operands)
        except (TracingError, TypeError):
            opaque = Custom(lambda *a: _part(self.jacobian(*a), k), None, wanted)
            found = [None] * k + traced_rule(opaque, *node.operands)
        block = found[k] if k < len(found) else None
        if block is None:
            raise ShapeError(f"jacobian gives nothing for argument {k}")
        _check(block, wanted, f"jacobian gives for argument {k} an array")
        return block

    def push(self, node: Expr, k: int, tangent: Expr) -> Expr | None:
        return self._product(node, k, tangent, forward=True)

    def pull(self, node: Expr, k: int, cotangent: Expr) -> Expr | None:
        return self._product(node, k, cotangent, forward=False)

    def _product(self, node: Expr, k: int, vector: Expr, *, forward: bool) -> Expr:
        block = self._blocks(node, k)
        out = tuple(range(node.ndim))
        inner = tuple(range(node.ndim, block.ndim))
        source, target = (inner, out) if forward else (out, inner)
        lead = tuple(range(block.ndim, block.ndim + vector.ndim - len(source)))
        return contract([block, vector], [out + inner, lead + source], lead + target)


def _part(found: Any, k: int) -> Any:
    return found[k] if isinstance(found, tuple | list) else found


def _check(found: Expr, shape: Any, what: str) -> None:
    if found.shape != shape:
        raise ShapeError(f"{what} of shape {found.shape} where {shape} is needed")


def _check_linear(found: Expr, given: Expr, name: str, what: str) -> None:
    """Refuse a rule that is not linear in the vector that it gets."""
    if given not in set(topological(found)):
        linear = is_zero(found)
    else:
        (slope,) = pushforward([found], {given: _placeholder(given, 0, "slope", given.shape)})
        linear = slope is None or given not in set(topological(slope))
    if not linear:
        raise TracingError(
            f"custom_derivative: what {name} gives must be linear in its {what} (the Jacobian "
            "times it); what it gives now is not"
        )


# ---------------------------------------------------------------- implicit functions


def implicit(
    solver: Function, residual: Function | None = None, *, objective: Function | None = None
) -> Custom:
    """A solver that is differentiated through what its solution satisfies, not through its steps.

    Parameters
    ----------
    solver : callable
        ``solver(*params) -> x``; any code, it is never traced.
    residual : callable
        ``residual(x, *params)``, zero at the solution, of the shape of x; written with NumPy.
    objective : callable
        Instead: ``objective(x, *params)``, a number, least (stationary) at the solution.

    Returns
    -------
    callable
        To use as ``solver``; derivatives of any order by the implicit function theorem,
        dx = −(∂F/∂x)⁻¹ ∂F/∂θ dθ (Krantz and Parks 2002).

    Raises
    ------
    SingularMatrixError
        Where ∂F/∂x is singular: the solution is no function of the parameters there.

    Examples
    --------
    >>> from wengert.transforms import grad
    >>> root = implicit(lambda a: np.sqrt(a), lambda x, a: x * x - a)
    >>> float(grad(root)(4.0)), float(grad(grad(root))(4.0))
    (0.25, -0.03125)
    """
    if (residual is None) == (objective is None):
        raise TypeError("implicit: give either residual= or objective=")
    check_callable(solver, "implicit")
    return Custom(solver, _Implicit(residual, objective), None)


class _Implicit(Rule):
    """dx = −(∂F/∂x)⁻¹ ∂F/∂θ dθ."""

    def __init__(self, residual: Function | None, objective: Function | None) -> None:
        self.residual = residual
        self.objective = objective
        self.functions = tuple(f for f in (residual, objective) if f is not None)

    def _linear(self, node: Expr, k: int) -> tuple[Expr, Expr]:
        x = _placeholder(node, k, "solution", node.shape)
        theta = _placeholder(node, k, "parameter", node.operands[k].shape)
        given = _placeholder(node, k, "tangent", node.operands[k].shape)
        function = self.residual or self.objective
        assert function is not None
        moving = [theta if j == k else o for j, o in enumerate(node.operands)]
        (found,) = traced_rule(function, x, *moving)
        assert found is not None
        value = recognise(found)
        if self.objective is not None:
            _check(value, (), "implicit: the objective is")
            (value,) = [g or zeros(x.shape) for g in _gradient(value, x)]
        _check(value, node.shape, "implicit: the residual is")
        (slope,) = pushforward([value], {theta: given})
        n = int(np.prod(node.shape))  # pyright: ignore
        ((block,),) = jacobians([value], [x], "auto")
        at_solution = _substitute(
            [block, slope or zeros(node.shape)], {x: node, theta: node.operands[k]}
        )
        matrix = reshape(at_solution[0], (n, n))
        right = reshape(at_solution[1], (n,))
        return reshape(neg(solve(matrix, right)), node.shape), given

    def push(self, node: Expr, k: int, tangent: Expr) -> Expr | None:
        linear, given = self._linear(node, k)
        return pushforward([linear], {given: tangent})[0]

    def pull(self, node: Expr, k: int, cotangent: Expr) -> Expr | None:
        linear, given = self._linear(node, k)
        return pullback([linear], [cotangent], [given])[0]


def _gradient(value: Expr, x: Expr) -> list[Expr | None]:
    return pullback([value], [ones(())], [x])


def _substitute(exprs: Sequence[Expr], meant: dict[Expr, Expr]) -> list[Expr]:
    memo = dict(meant)
    return [rebuild(e, with_operands, memo) for e in exprs]
