"""What the core's tests share: evaluation, drawing operands, and the checks on one operation.

The checks owe nothing to the library but the evaluation of its expressions: derivatives are
compared with extrapolated differences (`corpus.oracle`), values with mpmath or plain NumPy.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from corpus.oracle import Projection, relative_error, richardson
from operations.engines import by_numpy, evaluate_by_both
from wengert.assumptions import Assumption
from wengert.derive import derivative
from wengert.derive.linearize import pull, push
from wengert.expr import Expr
from wengert.operations import apply, variable
from wengert.operations.algebra import (
    power,
)
from wengert.operations.structural import (
    POWER,
)
from wengert.primitive import Domain, Partials, Primitive, Undefined, registry
from wengert.rewrite import lower

MODES = ("forward", "reverse", "cross-country")
PROGRAMS = ("branch", "call", "recurrence", "scan", "while", "stop_gradient")  # tests of their own
STRUCTURAL = ("contract", "add", "variable", "size", "constant", "reshape", *PROGRAMS)

# ------------------------------------------------------------------ evaluation


def evaluate(
    root: Expr,
    values: Mapping[str, Any],
    dtype: Any = np.float64,
    sizes: Mapping[str, int] | None = None,
    *,
    lowered: bool = True,
) -> Any:
    """The value of an expression at named arrays, by both engines; gives NumPy's."""
    arrays = {k: _as_real(v, dtype) for k, v in values.items()}
    return evaluate_by_both(_lowered(root) if lowered else root, arrays, dtype, sizes or {})


_lowered = lru_cache(maxsize=16)(lower)  # the same expression at other values


def _as_real(value: Any, dtype: Any) -> Any:
    """Numbers in a precision; indices and masks as they are."""
    array = np.asarray(value)
    return array if array.dtype.kind in "ib" else array.astype(dtype)


def function_of(root: Expr, values: Mapping[str, Any], name: str) -> Callable[[Any], Any]:
    """The expression as a NumPy function of one variable, the others fixed."""
    _, program = by_numpy(_lowered(root), np.dtype(np.float64), ())
    fixed = {k: _as_real(v, np.float64) for k, v in values.items()}

    def function(x: Any) -> Any:
        value = program({**fixed, name: np.asarray(x, dtype=np.float64)})[0]
        return np.array(value, dtype=np.float64)  # differences of what is discrete too

    return function


def assert_close(actual: Any, expected: Any, tolerance: float = 1e-9, what: str = "") -> None:
    """Equal shapes, and entries that agree relative to the largest."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    assert actual.shape == expected.shape, f"{what}: shapes {actual.shape} and {expected.shape}"
    error = relative_error(actual, expected)
    assert error <= tolerance, f"{what}: error {error:.2g}\n{actual}\nexpected\n{expected}"


# ------------------------------------------------------------------ drawing operands

PARAMETERS: dict[str, tuple[Any, ...]] = {
    "order": (1, 2, 3),
    "exponent": tuple(map(Fraction, ("2", "3", "-1", "-2", "1/2", "-1/2", "3/2", "5/3"))),
}


@dataclass(frozen=True)
class Call:
    """A primitive with parameters and concrete operand shapes."""

    primitive: Primitive
    shapes: tuple[tuple[int, ...], ...]
    params: tuple[tuple[str, Any], ...]

    @property
    def id(self) -> str:
        shapes = ",".join("x".join(map(str, s)) or "scalar" for s in self.shapes)
        return "-".join([self.primitive.name, shapes, *(f"{k}{v}" for k, v in self.params)])

    @property
    def names(self) -> list[str]:
        return [f"x{k}" for k in range(len(self.shapes))]

    def node(self, assumptions: frozenset[Assumption] = frozenset()) -> Expr:
        """The call on variables."""
        return self.on(
            *(
                variable(n, s, assumptions, dtype)
                for n, s, dtype in zip(self.names, self.shapes, self.dtypes, strict=True)
            )
        )

    def on(self, *operands: Expr) -> Expr:
        """The call on these operands."""
        if self.primitive is POWER:
            return power(operands[0], dict(self.params)["exponent"])
        return apply(self.primitive, *operands, **dict(self.params))

    @property
    def dtypes(self) -> list[str]:
        domains = self.primitive.domains
        return [d.dtype for d in (*domains, *domains[-1:] * len(self.shapes))][: len(self.shapes)]

    def leaves(self) -> list[Expr]:
        """The real operands with a derivative, as variables: those to derive by."""
        return [
            variable(n, s)
            for k, (n, s, dtype) in enumerate(
                zip(self.names, self.shapes, self.dtypes, strict=True)
            )
            if dtype == "real" and k not in self.undefined
        ]

    @property
    def undefined(self) -> list[int]:
        """The operands in which no derivative is declared though it is in others."""
        rule = self.primitive.derivative
        partials = rule.partials if isinstance(rule, Partials) else ()
        return [k for k, p in enumerate(partials) if isinstance(p, Undefined)]

    def projections(self) -> dict[Expr, Projection]:
        """For operands among the symmetric matrices, the projection on them."""
        domains = self.primitive.domains
        padded = [*domains, *domains[-1:] * len(self.shapes)]
        return {
            variable(n, s): _symmetric_parts
            for n, s, d in zip(self.names, self.shapes, padded, strict=False)
            if d.matrix in ("symmetric", "positive")
        }

    def draw(self, rng: np.random.Generator) -> dict[str, Any]:
        """Operands from the declared domains, off the kinks."""
        drawn = draw_operands(self.primitive.domains, self.shapes, rng)
        return dict(zip(self.names, drawn, strict=True))


def draw_operands(
    domains: Sequence[Domain], shapes: Sequence[tuple[int, ...]], rng: np.random.Generator
) -> list[Any]:
    """Arrays with entries that are far from each other and from 0, so that no kink is near."""
    total = sum(int(np.prod(s)) for s in shapes)
    places = rng.permutation((np.arange(total) + 0.32 + 0.1 * rng.random(total)) / max(total, 1))
    found = []
    padded = [*domains, *domains[-1:] * len(shapes)][: len(shapes)]
    for domain, shape in zip(padded, shapes, strict=True):
        if domain.dtype == "int":
            found.append(rng.integers(int(domain.low), int(domain.high) + 1, shape))
            continue
        if domain.dtype == "bool":
            found.append(rng.random(shape) < 0.5)
            continue
        count = int(np.prod(shape))
        mine, places = places[:count], places[count:]
        spread = (domain.low + (domain.high - domain.low) * mine).reshape(shape)
        found.append(_matrix(domain.matrix, spread, rng))
    return found


def _matrix(kind: str, spread: Any, rng: np.random.Generator) -> Any:
    n = spread.shape[-1] if spread.ndim else 0
    match kind:
        case "":
            return spread
        case "invertible":
            return spread + 2.5 * n * np.eye(n) * rng.choice([-1.0, 1.0], n)
        case "spd":
            return spread @ np.swapaxes(spread, -1, -2) / max(n, 1) + np.eye(n)
        case "tall":
            return spread + 2.0 * np.eye(*spread.shape[-2:])
        case "square":
            return spread
        case "near the identity":
            return spread + 2.0 * np.eye(n)
        case "positive":
            return spread @ np.swapaxes(spread, -1, -2) / max(n, 1) + np.eye(n)
        case "symmetric":
            return (spread + np.swapaxes(spread, -1, -2)) / 2 + 3.0 * np.diag(np.arange(n))
        case "real eigenvalues":
            return 0.3 * spread + 3.0 * np.diag(np.arange(n))
        case "full rank":
            far = 3.0 * np.eye(*spread.shape[-2:]) * np.arange(1, n + 1)
            return spread + far
    raise AssertionError(f"no way to draw a matrix that is {kind!r}: extend operations.support")


def _symmetric_parts(direction: Any) -> Any:
    return (direction + np.swapaxes(direction, -1, -2)) / 2


def own_rank(primitive: Primitive) -> int:
    """How many trailing axes an operand needs, apart from a ``rank`` parameter."""
    if primitive.elementwise:
        return 0
    return 2 if any(d.matrix for d in primitive.domains) else 1


def calls(primitive: Primitive, shapes: Sequence[tuple[int, ...]]) -> Iterator[Call]:
    """Every sampled call of a primitive on operands of one of the shapes."""
    if primitive.samples:
        for sample in primitive.samples:
            pairs = tuple(zip(primitive.parameters, sample.params, strict=True))
            yield Call(primitive, sample.shapes, pairs)
        return
    for shape in shapes:
        choices = [[(name, v) for v in _values(name, shape)] for name in primitive.parameters]
        for params in itertools.product(*choices):
            yield Call(primitive, (shape,) * (primitive.arity or 0), params)


def _values(name: str, shape: tuple[int, ...]) -> Sequence[Any]:
    if name == "rank":
        return range(1, len(shape) + 1)
    if name not in PARAMETERS:
        raise AssertionError(f"no samples for the parameter {name!r}: extend operations.support")
    return PARAMETERS[name]


def small_shapes(primitive: Primitive) -> list[tuple[int, ...]]:
    """Shapes for derivatives of order 3: few entries."""
    if "rank" in primitive.parameters:
        return [(3,), (2, 2)]
    rank = own_rank(primitive)
    tall = any(d.matrix == "tall" for d in primitive.domains)
    return {0: [(), (2,)], 1: [(3,)], 2: [(3, 2)] if tall else [(1, 1), (2, 2)]}[rank]


def batched_shapes(primitive: Primitive) -> list[tuple[int, ...]]:
    """The same behind one or two batch axes."""
    if "rank" in primitive.parameters:
        return [(2, 3), (2, 1, 2)]
    rank = own_rank(primitive)
    tall = any(d.matrix == "tall" for d in primitive.domains)
    return {0: [(2, 2)], 1: [(2, 3)], 2: [(2, 3, 2)] if tall else [(2, 2, 2)]}[rank]


# ------------------------------------------------------------------ the registry

GENERAL = [p for p in registry.values() if p.name not in STRUCTURAL and p.arity != 0]
ELEMENTWISE = [p for p in GENERAL if p.elementwise]
REAL = [  # elementwise functions of real numbers
    p for p in ELEMENTWISE if p.dtype == "real" and all(d.dtype == "real" for d in p.domains)
]
SMALL = [c for p in GENERAL for c in calls(p, small_shapes(p))]
BATCHED = [c for p in GENERAL if not p.samples for c in calls(p, batched_shapes(p))]


def rng_for(call: Call) -> np.random.Generator:
    """Random numbers of the call's own, the same in every run."""
    return np.random.default_rng(zlib.crc32(call.id.encode()))


def differentiable(call: Call) -> bool:
    """Does the operation declare a derivative?"""
    return not isinstance(call.primitive.derivative, Undefined)


def by_id(given: Sequence[Call]) -> Any:
    """One test for each call."""
    return pytest.mark.parametrize("call", given, ids=[c.id for c in given])


# ------------------------------------------------------------------ checks on one operation


def check_derivatives(
    call: Call,
    values: Mapping[str, Any],
    orders: int = 3,
    modes: Sequence[str] = MODES,
    tolerance: float = 1e-6,
) -> None:
    """Each order in each operand against differences of the order before, in every mode."""
    leaves = call.leaves()
    node = call.node()
    moves = call.projections()
    for leaf in leaves:
        check_derivatives_of(node, leaf, values, orders, modes, tolerance, moves.get(leaf))
    if len(leaves) > 1 and orders > 1:
        for first, second in itertools.permutations(leaves, 2):
            mixed = derivative(node, [first], "reverse")
            check_derivatives_of(mixed, second, values, 1, modes, tolerance, moves.get(second))


def check_derivatives_of(
    node: Expr,
    leaf: Expr,
    values: Mapping[str, Any],
    orders: int,
    modes: Sequence[str] = MODES,
    tolerance: float = 1e-6,
    projection: Projection | None = None,
) -> None:
    """The derivatives of an expression in one variable against differences, order by order."""
    name = leaf.param("name")
    for order in range(1, orders + 1):
        expected, _ = richardson(function_of(node, values, name), values[name], projection)
        found = [derivative(node, [leaf], mode) for mode in modes]
        for mode, expr in zip(modes, found, strict=True):
            assert_close(
                evaluate(expr, values), expected, tolerance, f"order {order} in {name}, {mode}"
            )
        node = found[0]


def check_adjoint(call: Call, values: Mapping[str, Any], rng: np.random.Generator) -> None:
    """⟨ct, push(t)⟩ = ⟨pull(ct), t⟩, and extra leading axes mean one tangent after another."""
    node = call.node()
    if node.primitive is not call.primitive:
        return
    for k, leaf in enumerate(node.operands):
        if leaf.dtype == "real" and k not in call.undefined:
            _check_adjoint_of(node, k, leaf, values, rng)


def _check_adjoint_of(
    node: Expr, k: int, leaf: Expr, values: Mapping[str, Any], rng: np.random.Generator
) -> None:
    t, ct = rng.standard_normal((4, *leaf.shape)), rng.standard_normal((4, *node.shape))
    pushed = push(node, k, variable("t", leaf.shape))
    pulled = pull(node, k, variable("ct", node.shape))
    assert (pushed is None) == (pulled is None)
    if pushed is None or pulled is None:
        return
    assert pushed.shape == node.shape
    assert pulled.shape == leaf.shape
    singles = np.array([evaluate(pushed, {**values, "t": t[j]}) for j in range(4)])
    backs = np.array([evaluate(pulled, {**values, "ct": ct[j]}) for j in range(4)])
    left = np.tensordot(ct.reshape(4, -1), singles.reshape(4, -1), axes=(1, 1))
    right = np.tensordot(backs.reshape(4, -1), t.reshape(4, -1), axes=(1, 1))
    assert_close(left, right, 1e-9, "adjoint identity")
    for lead in ((4,), (2, 2)):
        many = push(node, k, variable("t", (*lead, *leaf.shape)))
        assert many is not None
        wide = {**values, "t": t.reshape(*lead, *leaf.shape)}
        assert_close(
            evaluate(many, wide), singles.reshape(*lead, *node.shape), 1e-9, f"push {lead}"
        )
        many = pull(node, k, variable("ct", (*lead, *node.shape)))
        assert many is not None
        wide = {**values, "ct": ct.reshape(*lead, *node.shape)}
        assert_close(evaluate(many, wide), backs.reshape(*lead, *leaf.shape), 1e-9, f"pull {lead}")
