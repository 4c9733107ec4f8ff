"""Operations that write routines of their own: values, refusals, and what is shared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

import wengert as wg
from operations.support import BATCHED, GENERAL, SMALL, Call
from wengert.backends import compile_plan, compile_with
from wengert.backends.native.builder import Features, Module
from wengert.backends.native.plans.lowerable import kinds_of
from wengert.backends.native.plans.natives import native_of
from wengert.backends.native.plans.programs import Segment
from wengert.backends.native.types import F64
from wengert.backends.native.ufuncs import call_lanes, loop_of
from wengert.errors import DomainError, IndexRangeError, SingularMatrixError
from wengert.expr import Expr
from wengert.operations import apply, variable
from wengert.operations.factorisations import CHOLESKY
from wengert.operations.linalg import DET, INV, LOGABSDET, SIGNDET
from wengert.operations.matrix_parts import swapped
from wengert.operations.solving import solve_vectors
from wengert.plan import Plan, make_plan
from wengert.plan.instructions import Apply, Input
from wengert.rewrite import lower

DOCS = Path(__file__).parents[3] / "docs" / "engines.md"
BROADCAST = {"take-2x3,2,2x1-rank2", "scatter-2x2,2,2x1-sizes(2, 3)"}  # indices that broadcast


def plan_of(node: Expr) -> Plan:
    return make_plan([lower(node)], {})


def in_numpy(plan: Plan) -> set[str]:
    """The operations that have no native form in a plan."""
    native = native_of(plan, kinds_of(plan))
    return {
        i.node.name if isinstance(i, Apply) else type(i).__name__
        for i in plan.instructions
        if not native[i.target]
        and not isinstance(i, Input)
        and (not isinstance(i, Apply) or i.operands)
    }


CALLS = [c for c in (*SMALL, *BATCHED) if c.node().primitive is c.primitive]


def test_which_operations_are_native():
    """All but those that the documentation lists."""
    found: set[str] = set()
    for call in CALLS:
        if call.id not in BROADCAST:
            found |= in_numpy(plan_of(call.node())) - {"Prepare"}
    listed = DOCS.read_text().split("<!-- by NumPy -->")[1].split("<!-- end -->")[0]
    assert sorted(found) == listed.replace("`", "").split()


# ---------------------------------------------------------------- values


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What native code left to NumPy."""
    found: list[Any] = []
    by_numpy = Segment.by_numpy

    def noted(self: Segment, arguments: Any) -> Any:
        found.append(arguments)
        return by_numpy(self, arguments)

    monkeypatch.setattr(Segment, "by_numpy", noted)
    return found


def larger(call: Call) -> Call:
    """The same on arrays with more entries."""
    sizes = {2: 7, 3: 13}
    shapes = tuple(tuple(sizes.get(n, n) for n in s) for s in call.shapes)
    return Call(call.primitive, shapes, call.params)


ROUTINES = [c for c in CALLS if c.primitive.by_arrays is not None]
LARGER = [
    larger(c) for c in ROUTINES if all(n > 1 for s in c.shapes for n in s[-2:]) and c.shapes[0]
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_routine(dtype: str, refused: list[Any]):
    rng = np.random.default_rng(5)
    wrong: list[str] = []
    for call in (*ROUTINES, *LARGER):
        plan = plan_of(call.node())
        values = {
            k: v.astype(dtype) if np.asarray(v).dtype.kind == "f" else v
            for k, v in call.draw(rng).items()
        }
        expected, got, native = compare(plan, values, dtype)
        if not native or refused or not close(expected, got, 1e-11 if dtype == "float64" else 1e-4):
            wrong.append(call.id)
        refused.clear()
    assert not wrong


def compare(plan: Plan, values: Any, dtype: str) -> tuple[Any, Any, bool]:
    """What NumPy and native code give, and whether all of it was native."""
    (expected,) = compile_plan(plan, np.dtype(dtype))(values)
    program: Any = compile_with(plan, np.dtype(dtype), "native")
    (got,) = program(values)
    return np.asarray(expected), np.asarray(got), in_numpy(plan) <= {"Prepare"}


def close(one: Any, other: Any, tolerance: float) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind != "f":
        return np.array_equal(one, other)
    size = np.abs(one[np.isfinite(one)]).max(initial=1.0)
    return np.allclose(one, other, rtol=0, atol=tolerance * size, equal_nan=True)


LINES = [p for p in GENERAL if p.name in {"cumsum", "argmax", "argmin", "argsort", "prodexcept"}]


def test_lines_with_ties_and_numbers_that_are_none():
    rng = np.random.default_rng(3)
    rows = [rng.choice([0.0, -0.0, 1.0, 2.0, np.nan, np.inf, -np.inf], 23) for _ in range(40)]
    for n in (1, 2, 3, 5, 8, 23):
        given = np.array(rows)[:, :n].copy()
        for p in LINES:
            params = {"reverse": True} if p.name == "cumsum" else {}
            params |= {"order": 1} if p.name == "prodexcept" else {}
            node = apply(p, variable("x", given.shape), **params)
            expected, got, native = compare(plan_of(node), {"x": given}, "float64")
            assert native or n == 1, p.name
            np.testing.assert_array_equal(got, expected, p.name)


def test_integers():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.integers(-50, 50, 99), [2**62, -(2**63), -(2**63), 2**63 - 1]])
    y = np.concatenate([rng.choice([-7, -3, -2, -1, 1, 2, 3, 7], 99), [3, -1, 1, -1]])
    both_engines(lambda x, y: (x // y, x % y, x + y, x * y, x < y), x, y)
    both_engines(lambda x: x.astype(int), rng.normal(size=50) * 100)
    masks = rng.random((5, 7)) < 0.8
    both_engines(
        lambda m: (m.any(axis=1), m.all(axis=0), np.count_nonzero(m, axis=1), m.T, ~m.any()), masks
    )


def both_engines(function: Callable[..., Any], *arguments: Any, exact: bool = True) -> None:
    expected = wg.compile(function, engine="numpy")(*arguments)
    native = wg.compile(function, engine="native")
    for _ in range(2):
        got = native(*arguments)
        one, other = (v if isinstance(v, tuple) else (v,) for v in (expected, got))
        for e, g in zip(one, other, strict=True):
            assert np.asarray(e).dtype == np.asarray(g).dtype
            if exact:
                np.testing.assert_array_equal(g, e)
            else:
                scale = np.abs(e).max(initial=1e-300)
                np.testing.assert_allclose(g, e, rtol=0, atol=1e-11 * scale)


KINDS = ("general", "positive", "lower", "upper", "unit lower", "unit upper")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 65])
def test_systems_of_every_kind_and_size(n: int, dtype: str, refused: list[Any]):
    """Small ones are written out; large ones have no quick bound of their condition."""
    rng = np.random.default_rng(n)
    given = rng.normal(size=(2, n, n)) / n + 2 * np.eye(n)[::-1]
    definite = given @ np.swapaxes(given, 1, 2)
    a = {k: variable(k, (n, n)) for k in ("general", "positive")}
    stack, right = variable("stack", (2, n, n)), variable("right", (3, n))
    roots = [
        solve_vectors(swapped(m) if turned else m, right, kind)
        for kind in KINDS
        for m in [a["general" if kind == "general" else "positive"]]
        for turned in (False, True)
    ]
    roots += [apply(p, a["general"]) for p in FUNCTIONS] + [apply(p, stack) for p in FUNCTIONS]
    roots += [apply(CHOLESKY, a["positive"]), apply(INV, swapped(a["general"]))]
    values = {"general": given[0], "positive": definite[0], "stack": given}
    values["right"] = rng.normal(size=(3, n))
    plan = make_plan([lower(r) for r in roots], {})
    values = {k: v.astype(dtype) for k, v in values.items()}
    expected = compile_plan(plan, np.dtype(dtype))(values)
    program: Any = compile_with(plan, np.dtype(dtype), "native")
    for one, other in zip(expected, program(values), strict=True):
        assert close(np.asarray(one), np.asarray(other), 1e-12 if dtype == "float64" else 1e-4)
    assert program.function is not None
    assert not refused


FUNCTIONS = (INV, DET, LOGABSDET, SIGNDET)


# ---------------------------------------------------------------- refusals


SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])
REFUSED: list[tuple[Callable[..., Any], tuple[Any, ...], type[Exception]]] = [
    (np.linalg.inv, (SINGULAR,), SingularMatrixError),
    (np.linalg.inv, (np.stack([np.eye(2), SINGULAR]),), SingularMatrixError),
    (np.linalg.solve, (SINGULAR, np.ones(2)), SingularMatrixError),
    (np.linalg.cholesky, (-np.eye(3),), DomainError),
    (lambda x, i: x[i], (np.ones(3), np.array([0, 3])), IndexRangeError),
    (lambda x, i: x[i], (np.ones(3), np.array([-4, 0])), IndexRangeError),
    (lambda x, y: x // y, (np.arange(3), np.array([1, 0, 2])), DomainError),
    (lambda x: x.astype(int), (np.array([1.0, np.nan]),), DomainError),
    (np.linalg.eigvals, (np.array([[0.0, 1.0], [-1.0, 0.0]]),), DomainError),
]


@pytest.mark.parametrize(("function", "arguments", "kind"), REFUSED)
def test_errors_are_the_reference_s(function: Any, arguments: Any, kind: type[Exception]):
    with pytest.raises(kind) as expected:
        wg.compile(function, engine="numpy")(*arguments)
    native = wg.compile(function, engine="native")
    for _ in range(2):
        with pytest.raises(kind) as got:
            native(*arguments)
        assert str(got.value) == str(expected.value)


def test_what_is_nearly_singular_or_no_number_is_left_to_numpy():
    rng = np.random.default_rng(1)
    q, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    near = q * 10.0 ** -np.arange(0.0, 15.0, 3.0) @ q.T
    missing = np.eye(4)
    missing[1, 2] = np.nan
    native = wg.compile(np.linalg.inv, engine="native")
    reference = wg.compile(np.linalg.inv, engine="numpy")
    for a in (near, missing, np.eye(5)):
        np.testing.assert_allclose(native(a), reference(a), rtol=1e-3, equal_nan=True)
    for function in (np.linalg.det, lambda a: np.linalg.slogdet(a)[1]):
        both_engines(function, SINGULAR)
        both_engines(function, np.zeros((3, 3)))


@pytest.mark.parametrize(("n", "dtype"), [(33, "float64"), (64, "float32"), (131, "float64")])
def test_inverses_of_many_rows(n: int, dtype: str, refused: list[Any]):
    """By solving a block of columns at a time; rows are exchanged, and transposes are views."""
    A = (np.random.default_rng(n).normal(size=(2, n, n)) / n**0.5 + 3 * np.eye(n)).astype(dtype)
    A[1] = A[1, ::-1]

    def function(A: Any) -> Any:
        return np.linalg.inv(A), np.linalg.inv(np.swapaxes(A, -1, -2)), np.linalg.inv(A[1].T)

    found = wg.compile(function, engine="native")(A)
    one, tolerance = np.eye(n), n * 10 * np.finfo(dtype).eps
    for B, inverse in zip((A, np.swapaxes(A, -1, -2), A[1].T), found, strict=True):
        np.testing.assert_allclose(B @ inverse, np.broadcast_to(one, B.shape), atol=tolerance)
    assert not refused


# ---------------------------------------------------------------- gathers and scatters


def test_gathers_and_scatters_and_their_derivatives():
    rng = np.random.default_rng(2)
    W, v, rows = rng.normal(size=(9, 5)), rng.normal(size=10), rng.integers(-9, 9, 30)
    i, j = np.tril_indices(4)
    k = rng.integers(0, 5, (9, 2))
    cases: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [
        (lambda W, rows: np.sum(np.tanh(W[rows]) ** 2), (W, rows)),
        (lambda W, rows: np.sum(np.exp(W.T[:, rows])), (W, rows)),
        (lambda W, rows: np.sum(W[rows[:9], np.arange(9) % 5] ** 2), (W, rows)),
        (lambda W, k: np.sum(np.take_along_axis(W, k, axis=1) ** 3), (W, k)),
        (lambda v: np.sum(triangle(v, i, j) @ np.arange(4.0)) ** 2, (v,)),
        (lambda W: np.sum(W[:, [3, 0, 0, 1]] ** 2 * W[:, [1, 1, 2, -1]]), (W,)),
        (lambda W: np.sum(W[np.arange(9), np.arange(9) % 5] ** 2), (W,)),
        (lambda W: np.sum(np.triu(W, 1) ** 2) + np.sum(np.diag(W[:5])), (W,)),
    ]
    for function, arguments in cases:
        for transform in (wg.value_and_grad, wg.hessian):
            plan = wg.compile(transform(function), engine="native").plan(*arguments)
            assert "NumPy" not in str(plan)
            both_engines(transform(function), *arguments, exact=False)


def triangle(v: Any, i: Any, j: Any) -> Any:
    return wg.at(np.zeros((4, 4)))[i, j].set(v)


# ---------------------------------------------------------------- sharing


def test_one_factorisation_serves_all():
    """Value and gradient of a log-determinant and a quadratic form."""
    rng = np.random.default_rng(4)
    A, b = rng.normal(size=(6, 6)) + 6 * np.eye(6), rng.normal(size=6)

    def both(A: Any, b: Any) -> Any:
        return np.linalg.slogdet(A)[1] + b @ np.linalg.solve(A, b)

    both_engines(wg.value_and_grad(both), A, b, exact=False)
    plan: Any = wg.compile(wg.value_and_grad(both), engine="native").plan(A, b)
    assert "NumPy" not in str(plan)


def gaussian_process(s: Any, X: Any, y: Any) -> Any:
    square = np.sum((X[:, None, :] - X[None, :, :]) ** 2, axis=2)
    K = np.exp(s[0]) * np.exp(-0.5 * square * np.exp(s[1])) + np.exp(s[2]) * np.eye(len(y))
    L = np.linalg.cholesky(K)
    alpha = np.linalg.solve(K, y)
    return 0.5 * y @ alpha + np.sum(np.log(np.diag(L)))


@pytest.mark.parametrize("n", [2, 40])
def test_a_gaussian_process(n: int):
    rng = np.random.default_rng(n)
    X, y, s = rng.normal(size=(n, 2)), rng.normal(size=n), np.array([0.1, 0.2, -0.3])
    for transform in (wg.value_and_grad, wg.hessian):
        plan = wg.compile(transform(gaussian_process), engine="native").plan(s, X, y)
        assert "NumPy" not in str(plan)
        both_engines(transform(gaussian_process), s, X, y, exact=False)


def test_ufuncs_of_the_same_name_have_symbols_of_their_own() -> None:
    module = Module(Features())
    b = module.function("f", [F64], F64)
    (x,) = b.parameters
    for ufunc in (np.exp2, special.exp2, np.exp2):
        (x,) = call_lanes(ufunc, [x])
    b.give(x)
    loops = [loop_of(ufunc, (F64,)) for ufunc in (np.exp2, special.exp2)]
    expected = {loop.address for loop in loops if loop is not None}
    assert len(expected) == 2
    assert {module.addresses[s] for s in module.called} == expected
