"""Plans as native code: the same results as NumPy's, whatever the instructions and the arrays."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import optree
import pytest
from hypothesis import given, settings
from scipy.special import logsumexp

import wengert as wg
from operations.expressions import Sample, samples
from operations.support import BATCHED, ELEMENTWISE, GENERAL, SMALL, Call, calls
from wengert.backends import compile_plan, compile_with
from wengert.backends.native.engine import engine
from wengert.backends.native.plans.lowerable import writer_of
from wengert.derive import derivative
from wengert.expr import Expr
from wengert.operations import add, apply, concatenate, embed, matmul, slice_, variable
from wengert.plan import Plan, make_plan
from wengert.rewrite import lower

ROUNDING = {"float64": 2e-14, "float32": 1e-5}  # relative to the largest entry


def plan_of(roots: Sequence[Expr]) -> Plan:
    return make_plan([lower(root) for root in roots], {})


def both(plan: Plan, values: Mapping[str, Any], dtype: Any = np.float64) -> tuple[Any, Any, Any]:
    """What NumPy and native code give, and the native program."""
    expected = compile_plan(plan, np.dtype(dtype))(values)
    program: Any = compile_with(plan, np.dtype(dtype), "native")
    return expected, program(values), program


def same(one: Any, other: Any, tolerance: float) -> bool:
    """Equal shapes and dtypes, NaN and infinities in the same places, the rest nearly equal."""
    one, other = np.asarray(one), np.asarray(other)
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind != "f":
        return bool(np.array_equal(one, other))
    finite = np.isfinite(one)
    if not np.array_equal(one[~finite], other[~finite], equal_nan=True):
        return False
    return bool(np.allclose(one[finite], other[finite], rtol=tolerance, atol=0))


# ---------------------------------------------------------------- the registry


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(), (1,), (19,), (3, 5)])
def test_every_elementwise_operation(shape: tuple[int, ...], dtype: str):
    rng = np.random.default_rng(1)
    found = [
        c for p in ELEMENTWISE for c in calls(p, [shape]) if not p.samples or c.shapes[0] == shape
    ]
    roots: list[Expr] = []
    values: dict[str, Any] = {}
    for k, call in enumerate(found):
        root, mine = on_variables(call, f"v{k}_", rng, dtype)
        roots.append(root)
        values.update(mine)
    plan = plan_of(roots)
    expected, got, _ = both(plan, values, dtype)
    wrong = [
        c.id
        for c, e, g in zip(found, expected, got, strict=True)
        if not same(e, g, ROUNDING[dtype])
    ]
    assert not wrong


def _typed(value: Any, dtype: str) -> Any:
    array = np.asarray(value)
    return array.astype(dtype) if array.dtype.kind == "f" else array


SPECIAL = np.array(
    [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -3.0, 1e-300, -1e-300, 1e300, -1e300, 5e-324, 700.0,
     -745.0, 1e5, np.inf, -np.inf, np.nan]
)  # fmt: skip


# SciPy's hyp0f1 divides by 0 and cannot raise what Python says then; its value is right.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_special_values_of_elementwise_operations():
    """Infinities and NaN are where NumPy has them, in every lane of a vector."""
    real = [p for p in ELEMENTWISE if all(d.dtype == "real" for d in p.domains)]
    whole = [p for p in real if any(writer_of(c.node()) for c in calls(p, [()]))]
    one = [c for p in whole if p.arity == 1 for c in calls(p, [SPECIAL.shape])]
    pairs = [c for p in whole if p.arity == 2 for c in calls(p, [(SPECIAL.size, SPECIAL.size)])]
    x = {"x0": SPECIAL}
    left, right = np.meshgrid(SPECIAL, SPECIAL, indexing="ij")
    grid = {"x0": left.copy(), "x1": right.copy()}
    cases: list[tuple[list[Call], dict[str, Any]]] = [(one, x), (pairs, grid)]
    for every, values in cases:
        found = [c for c in every if c.shapes[0] == values["x0"].shape]
        expected, got, program = both(plan_of([c.node() for c in found]), values)
        assert program.function is not None
        wrong = [
            c.id for c, e, g in zip(found, expected, got, strict=True) if not same(e, g, 1e-12)
        ]
        assert not wrong


def test_special_values_of_operations_by_rows():
    """Extrema at ties, norms that would overflow, sums of exponentials of infinities."""
    rows = np.array(
        [
            [1.0, 2.0, 2.0], [np.nan, 1.0, 2.0], [1.0, 2.0, np.nan], [np.inf, 1.0, -np.inf],
            [-np.inf, -np.inf, -np.inf], [np.inf, np.inf, 1.0], [0.0, -0.0, 0.0],
            [1e300, 1e300, -1e300], [1e-300, 0.0, -1e-300], [0.0, -40.0, -800.0], [5.0, 5.0, 5.0],
        ]
    )  # fmt: skip
    x = variable("x", rows.shape)
    found = [p for p in GENERAL if p.by_rows is not None and p.domains[0].dtype == "real"]
    choices = {"rank": (1, 2), "order": (Fraction(5, 2), Fraction(-2))}
    calls_ = [
        (p, dict(zip(p.parameters, values, strict=True)))
        for p in found
        for values in product(*(choices[name] for name in p.parameters))
    ]
    roots = [apply(p, x, **params) for p, params in calls_]
    expected, got, program = both(plan_of(roots), {"x": rows})
    assert program.function is not None
    wrong = [
        (p.name, params)
        for (p, params), e, g in zip(calls_, expected, got, strict=True)
        if not same(e, g, 1e-14)
    ]
    assert not wrong


def test_code_that_is_renewed_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine().cache, "folder", None)  # where the better code may be already
    numbers = np.concatenate([SPECIAL, np.random.default_rng(0).normal(size=23)])
    x, W = variable("x", numbers.shape), variable("W", (numbers.size, 7))
    whole = [p for p in ELEMENTWISE if p.arity == 1 and p.domains[0].dtype == "real"]
    found = [c for p in whole for c in calls(p, [numbers.shape]) if writer_of(c.node())]
    rows = [apply(p, W) for p in GENERAL if p.by_rows is not None and not p.parameters]
    roots = [*(c.node() for c in found), *rows, matmul(x, W)]
    values = {"x0": numbers, "x": np.where(np.isfinite(numbers), numbers, 1.0)}
    values["W"] = np.random.default_rng(1).normal(size=(numbers.size, 7))
    program: Any = compile_with(plan_of(roots), np.dtype(float), "native")
    code = program.function.__self__.code
    before = program(values)
    code()
    after = program(values)
    assert [library.quick for library in code.libraries] == [True, False]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
        numbers_ = ~np.isnan(one)
        np.testing.assert_array_equal(np.signbit(one[numbers_]), np.signbit(other[numbers_]))


SLICES = [slice(None), slice(None, None, -1), slice(1, None, 2), slice(-1, 0, -2), slice(2, 2), 1]


def test_slices_and_their_transposes():
    """Forwards, backwards, in steps, of nothing: read, written and derived, on every axis."""
    X = variable("X", (5, 4, 3))
    both_axes = [(a, b, c) for a in SLICES for b in SLICES[:3] for c in SLICES[1:3]]
    sliced = [slice_(X, list(index)) for index in both_axes]
    doubled = [add([s, s], [1, 2]) for s in sliced]
    back = [embed(s, list(i), X.shape) for s, i in zip(sliced, both_axes, strict=True)]
    joined = [concatenate([s, s, d], 0) for s, d in zip(sliced, doubled, strict=True) if s.ndim]
    value = draw(5, 4, 3)
    expected, got, program = both(plan_of([*sliced, *doubled, *back, *joined]), {"X": value})
    assert program.function is not None
    for index, one in zip(both_axes, got, strict=False):
        assert np.array_equal(one, value[index])
    for one, other in zip(expected, got, strict=True):
        assert same(one, other, 1e-15)


def test_every_other_operation():
    """What has no native form runs by NumPy, beside what has one."""
    rng = np.random.default_rng(2)
    found = [c for c in (*SMALL, *BATCHED) if not c.primitive.elementwise]
    roots: list[Expr] = []
    values: dict[str, Any] = {}
    for k, call in enumerate(found):
        root, mine = on_variables(call, f"v{k}_", rng, "float64")
        roots.append(root)
        values.update(mine)
    expected, got, program = both(plan_of(roots), values)
    assert any(o in program.native for o in program.plan.outputs)
    wrong = [
        c.id
        for c, e, g in zip(found, expected, got, strict=True)
        if not same(e, g, ROUNDING["float64"])
    ]
    assert not wrong


def on_variables(
    call: Call, prefix: str, rng: np.random.Generator, dtype: str
) -> tuple[Expr, dict[str, Any]]:
    """A call on variables of its own, and their values."""
    names = [prefix + n for n in call.names]
    leaves = [
        variable(n, s, frozenset(), d)
        for n, s, d in zip(names, call.shapes, call.dtypes, strict=True)
    ]
    drawn = call.draw(rng)
    values = {n: _typed(drawn[m], dtype) for n, m in zip(names, call.names, strict=True)}
    return call.on(*leaves), values


@given(samples(depth=6, kinks=True))
@settings(max_examples=15, deadline=None)
def test_random_programs(sample: Sample):
    """Of contractions, sums, functions and decompositions, with their derivatives."""
    root = sample.pair.expr
    leaves = [variable(n, sample.values[n].shape) for n in sample.depends_on[:1]]
    roots = [root, *(derivative(root, [leaf], "reverse") for leaf in leaves)]
    expected, got, _ = both(plan_of(roots), sample.values)
    for one, other in zip(expected, got, strict=True):
        size = np.abs(one).max(initial=0.0)
        if np.isfinite(one).all() and size < 1e8:
            np.testing.assert_allclose(other, one, rtol=1e-8, atol=1e-9 * (1 + size))


# ---------------------------------------------------------------- functions


def logistic(w: Any, X: Any, y: Any) -> Any:
    return np.mean(np.logaddexp(0, -y * (X @ w))) + 0.01 * np.sum(w * w)


def network(p: Any, X: Any, T: Any) -> Any:
    hidden = np.tanh(X @ p["W1"] + p["b1"])
    return np.mean((hidden @ p["W2"] + p["b2"] - T) ** 2)


def mixture(means: Any, scales: Any, weights: Any, X: Any) -> Any:
    gaps = (X[:, None, :] - means) / np.exp(scales)
    inner = weights - 0.5 * np.sum(gaps * gaps, axis=2) - np.sum(scales, axis=1)
    return -np.sum(logsumexp(inner, axis=1))


def classes(W: Any, X: Any, Y: Any) -> Any:
    Z = X @ W
    return np.mean(logsumexp(Z, axis=1) - np.sum(Z * Y, axis=1))


def robust(w: Any, X: Any, y: Any) -> Any:
    r = X @ w - y
    size = np.abs(r)
    return np.sum(np.where(size < 1, 0.5 * r * r, size - 0.5)) + np.max(size) + np.prod(w)


def squares(w: Any, X: Any, y: Any) -> Any:
    return np.sum((X @ w - y) ** 2) / 2 + np.linalg.norm(w, 1)


def draw(*shape: int) -> Any:
    return np.random.default_rng(len(shape) + sum(shape)).normal(size=shape)


def parameters(inputs: int, hidden: int, outputs: int) -> Any:
    return {
        "W1": draw(inputs, hidden), "b1": draw(hidden),
        "W2": draw(hidden, outputs), "b2": draw(outputs),
    }  # fmt: skip


def signs(n: int) -> Any:
    return np.where(draw(n) > 0, 1.0, -1.0)


PROBLEMS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "logistic": (logistic, (draw(5), draw(20, 5), signs(20))),
    "logistic, one row": (logistic, (draw(5), draw(1, 5), signs(1))),
    "logistic, one column": (logistic, (draw(1), draw(20, 1), signs(20))),
    "logistic, in blocks": (logistic, (draw(40) / 6, draw(3001, 40), signs(3001))),
    "network": (network, (parameters(6, 9, 2), draw(30, 6), draw(30, 2))),
    "network, in blocks": (network, (parameters(20, 33, 3), draw(2003, 20), draw(2003, 3))),
    "mixture": (mixture, (draw(3, 5), draw(3, 5) / 9, draw(3), draw(50, 5))),
    "mixture, in blocks": (mixture, (draw(7, 4), draw(7, 4) / 9, draw(7), draw(2500, 4))),
    "classes": (classes, (draw(5, 3), draw(20, 5), np.eye(3)[np.arange(20) % 3])),
    "robust": (robust, (draw(5), draw(20, 5), draw(20))),
    "squares": (squares, (draw(5), draw(20, 5), draw(20))),
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", list(PROBLEMS))
def test_values_and_gradients(name: str, dtype: str):
    function, arguments = PROBLEMS[name]
    arguments = optree.tree_map(lambda a: a.astype(dtype), arguments)
    both_ways(wg.value_and_grad(function), arguments, 1e-12 if dtype == "float64" else 2e-4)


@pytest.mark.parametrize("name", ["logistic", "classes", "squares", "mixture"])
def test_hessians(name: str):
    function, arguments = PROBLEMS[name]
    both_ways(wg.hessian(function), arguments, 1e-12)


def both_ways(function: Any, arguments: tuple[Any, ...], tolerance: float) -> Any:
    """Both engines' results, equal relative to the largest entry; gives the native function."""
    native = wg.compile(function, engine="native")
    expected = wg.compile(function, engine="numpy")(*arguments)
    for _ in range(3):  # traced; straight to the code; from a used arena
        got = native(*arguments)
        assert optree.tree_structure(got) == optree.tree_structure(expected)
        for one, other in zip(*map(optree.tree_leaves, (expected, got)), strict=True):
            assert type(one) is type(other)
            assert np.asarray(one).dtype == np.asarray(other).dtype
            scale = np.abs(one).max(initial=0.0)
            np.testing.assert_allclose(other, one, rtol=0, atol=tolerance * scale)
    return native


# ---------------------------------------------------------------- arrays of any kind


def test_other_layouts_give_the_same_and_are_not_traced_again():
    X, w, y = draw(20, 5), draw(5), signs(20)
    native = wg.compile(wg.grad(logistic), engine="native")
    expected = native(w, X, y)
    read_only = X.copy()
    read_only.flags.writeable = False
    wide = np.zeros((20, 10))
    wide[:, ::2] = X
    for other in (np.asfortranarray(X), wide[:, ::2], X[::-1][::-1], read_only):
        assert np.array_equal(native(w, other, y), expected)
    assert len(native._entries) == 1  # pyright: ignore[reportPrivateUsage]


def test_other_shapes_dtypes_and_structures_are_traced_for_themselves():
    native = wg.compile(lambda x: np.sum(x["a"] * x["a"]), engine="native")
    for a in (draw(3), draw(4), draw(2, 2), draw(3).astype(np.float32), np.arange(3), 2.0, True):
        for _ in range(2):
            assert np.isclose(native({"a": a}), np.sum(np.asarray(a) * np.asarray(a)))
    with pytest.raises(KeyError):
        native({"b": draw(3)})


def test_the_shape_of_an_argument_that_is_not_read_counts():
    native = wg.compile(lambda x, y: x * len(y), engine="native")
    for n in (3, 3, 4, 3, 4):
        assert native(2.0, draw(n)) == 2 * n


def test_precisions_are_those_of_the_reference():
    """Numbers of Python and of NumPy among arrays, one after the other."""
    native = wg.compile(lambda x, a: a * x, engine="native")
    reference = wg.compile(lambda x, a: a * x, engine="numpy")
    single = draw(3).astype(np.float32)
    arguments: list[tuple[Any, Any]] = [
        (single, 2.0), (single, np.float64(2.0)), (single, np.float32(2.0)), (draw(3), 2.0),
        (np.float32(1.0), np.float32(2.0)), (1.0, 2.0), (np.float64(1.0), 2.0), (1.0, single),
        (single, np.array(2.0, np.float32)), (single, np.array(2.0)), (draw(3), np.float32(2.0)),
    ]  # fmt: skip
    for x, a in (*arguments, *arguments[::-1]):
        for _ in range(2):
            assert native(x, a).dtype == reference(x, a).dtype


@pytest.mark.parametrize("n", [0, 1])
def test_empty_arrays_and_arrays_of_one_entry(n: int):
    both_ways(wg.value_and_grad(squares), (draw(n), draw(4, n), draw(4)), 1e-12)
    both_ways(wg.value_and_grad(squares), (draw(3), draw(n, 3), draw(n)), 1e-12)
    both_ways(wg.grad(lambda X: np.sum(np.exp(X) @ X.T)), (draw(n, 2),), 1e-12)


def test_long_sums_lose_few_digits():
    x = np.full(3_000_001, 0.1, np.float32)
    native = wg.compile(lambda x: (np.sum(x), np.sum(x * x)), engine="native")
    for one, exact in zip(native(x), (300000.1, 30000.01), strict=True):
        assert abs(float(one) / exact - 1) < 5e-6


def test_nan_and_infinity_pass_through():
    X = draw(20, 5)
    X[3, 2], X[7, 1] = np.nan, np.inf
    native = wg.compile(wg.value_and_grad(logistic), engine="native")
    expected = wg.compile(wg.value_and_grad(logistic), engine="numpy")(draw(5), X, signs(20))
    for _ in range(2):
        for one, other in zip(expected, native(draw(5), X, signs(20)), strict=True):
            np.testing.assert_array_equal(np.isnan(one), np.isnan(other))


def test_results_are_arrays_of_their_own():
    native = wg.compile(lambda x: (x, x.T, x + 0.0, x.reshape(-1)), engine="native")
    x = draw(3, 3)
    native(x)
    found = native(x)
    for k, one in enumerate(found):
        assert one.flags.owndata
        assert one.flags.writeable
        assert not any(np.shares_memory(one, other) for other in (x, *found[:k]))
    assert np.array_equal(found[1], x.T)


def test_captured_arrays_are_read_at_every_call():
    data = draw(4)
    native = wg.compile(lambda x: np.sum(x * data), engine="native")
    for _ in range(3):
        assert np.isclose(native(draw(4)), draw(4) @ data)
        data += 1.0


def test_what_a_function_reads_from_around_it_may_change():
    factor = 2.0

    def function(x: Any) -> Any:
        return factor * x

    native = wg.compile(function, engine="native")
    assert native(3.0) == 6.0
    assert native(3.0) == 6.0
    factor = 5.0
    assert native(3.0) == 15.0


# ---------------------------------------------------------------- plans


def test_a_plan_tells_what_runs_natively():
    native = wg.compile(
        lambda x: np.sum(np.linalg.pinv(np.outer(x, x) + np.eye(3))), engine="native"
    )
    text = str(native.plan(draw(3)))
    assert "native" in text
    assert "NumPy" in text
    assert "native" not in str(wg.compile(np.sin, engine="numpy").plan(1.0))


def test_an_engine_that_is_none():
    with pytest.raises(ValueError, match="the engines are numpy, native"):
        wg.compile(np.sin, engine="fortran")


def test_the_environment_chooses_the_engine(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("WENGERT_ENGINE", "native")
    assert "native" in str(wg.compile(np.sin).plan(1.0))
    monkeypatch.setenv("WENGERT_ENGINE", "numpy")
    assert "native" not in str(wg.compile(np.sin).plan(1.0))


def test_a_function_that_is_longer_than_one_of_the_machine():
    """Long straight-line code is several functions, which share values by memory."""

    def function(x: Any) -> Any:
        for k in range(60):
            x = np.sin(x) * (1 + 1 / (k + 2)) + 0.1 * x
        return np.sum(x)

    both_ways(wg.value_and_grad(function), (draw(3),), 1e-10)


FUZZ = """
import warnings
import numpy as np
from operations.expressions import samples
from hypothesis import HealthCheck, given, settings
from wengert.backends import compile_with
from wengert.plan import make_plan
from wengert.rewrite import lower

WRONG = [None, "x", 1j, object(), [], np.zeros(0), np.zeros((3, 0, 2)), np.zeros((2, 2), complex),
         np.zeros((1, 2), object), np.zeros((3, 2), np.float32), np.zeros((2, 3), np.int8),
         np.array(1.0), 7, True, float("nan"), np.ma.zeros((2, 2)), np.zeros((40, 40))[::7, ::13]]


@given(samples(depth=5, kinks=True))
@settings(max_examples=8, deadline=None, database=None, derandomize=True,
          suppress_health_check=list(HealthCheck))
def run(sample):
    plan = make_plan([lower(sample.pair.expr)], {})
    program = compile_with(plan, np.dtype(float), "native")
    names = list(sample.values)
    for wrong in WRONG:
        for name in names[:2]:
            for call in (program, lambda values: program.function(*map(values.get, program.names))):
                try:
                    call({**sample.values, name: wrong})
                except Exception:
                    pass


warnings.simplefilter("ignore")
run()
print("alive")
"""


def test_no_argument_crashes_the_process():
    """Anything may be raised, but the process lives."""
    done = subprocess.run(
        [sys.executable, "-c", FUZZ], capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert done.stdout.strip() == "alive", done.stderr[-2000:]


def test_blocks_keep_what_later_blocks_read() -> None:
    """Large arrays that are rolled again and again: a Jacobian of many pieces."""

    def heat(u: Any) -> Any:
        for _ in range(5):
            u = u + 0.1 * (np.roll(u, 1) - 2 * u + np.roll(u, -1)) - 0.01 * u**3
        return u

    x = np.random.default_rng(0).random(150)
    found, expected = (
        wg.compile(wg.jacobian(heat), engine=engine)(x) for engine in ("native", "numpy")
    )
    assert np.allclose(found, expected, rtol=1e-12, atol=1e-13)
