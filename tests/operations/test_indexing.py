"""Slices, gathers, concatenations, running sums: what simplifies, what stays structured, errors."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from operations.support import MODES, assert_close, check_derivatives_of, evaluate
from wengert.derive import derivative
from wengert.errors import IndexRangeError, ShapeError
from wengert.expr import Expr, topological
from wengert.operations import (
    add,
    apply,
    arange,
    broadcast,
    concatenate,
    constant,
    contract,
    cumsum,
    diag,
    elementwise,
    embed,
    identity,
    int_array,
    matmul,
    mul,
    ones,
    reshape,
    scale,
    slice_,
    stack,
    sum_,
    take,
    take_along,
    transpose,
    variable,
    zeros,
)
from wengert.operations.cumulative import CUMSUM
from wengert.operations.gathering import SCATTER, TAKE, broadcast_shape
from wengert.operations.gathering_along import SCATTER_ALONG, TAKE_ALONG
from wengert.plan import make_plan
from wengert.printing import numpy_code
from wengert.rewrite import display, lower
from wengert.shapes import symbol

x, A, T = variable("x", (5,)), variable("A", (3, 4)), variable("T", (2, 3, 4))
i = variable("i", (3,), dtype="int")
VALUES: dict[str, Any] = {
    "x": np.array([0.3, -1.2, 2.5, 0.7, 1.9]),
    "A": np.linspace(-1.0, 2.0, 12).reshape(3, 4) ** 2,
    "T": np.cos(np.arange(24.0)).reshape(2, 3, 4),
    "i": np.array([2, -1, 2]),
    "w": np.array([1.5, -0.5, 0.25]),
}
SPECS: tuple[Any, ...] = (
    None, 0, -1, slice(1, 3), slice(None, None, -1), slice(None, None, 2), slice(2, 0, -1),
    slice(1, 1), slice(-2, None), slice(0, 1),
)  # fmt: skip


def index_of(specs: Any) -> Any:
    return (..., *(slice(None) if s is None else s for s in specs))


# ------------------------------------------------------------------ slices


@pytest.mark.parametrize("specs", list(itertools.product(SPECS, repeat=2)), ids=str)
def test_slices_are_numpys(specs: Any) -> None:
    expected = VALUES["A"][index_of(specs)]
    node = slice_(A, specs)
    assert node.shape == expected.shape
    np.testing.assert_array_equal(evaluate(node, VALUES), expected)
    back = embed(variable("y", node.shape), specs, (3, 4))
    full = np.zeros((3, 4))
    full[index_of(specs)] = expected
    np.testing.assert_array_equal(evaluate(back, {"y": expected}), full)
    assert slice_(back, specs) is variable("y", node.shape) or 0 in node.shape


@pytest.mark.parametrize("first", SPECS, ids=str)
@pytest.mark.parametrize("second", SPECS, ids=str)
def test_slices_of_slices_are_one_slice(first: Any, second: Any) -> None:
    inner = VALUES["x"][index_of([first])]
    if inner.ndim == 0 or (isinstance(second, int) and inner.size == 0):
        return
    node = slice_(slice_(x, [first]), [second])
    np.testing.assert_array_equal(evaluate(node, VALUES), inner[index_of([second])])
    assert sum(n.name == "slice" for n in topological(node)) <= 1
    y = variable("y", node.shape)
    places = embed(embed(y, [second], inner.shape), [first], (5,))
    full, part = np.zeros(5), np.zeros(inner.shape)
    part[index_of([second])] = evaluate(node, VALUES)
    full[index_of([first])] = part
    np.testing.assert_array_equal(evaluate(places, {"y": evaluate(node, VALUES)}), full)
    assert sum(n.name == "embed" for n in topological(places)) <= 1


@pytest.mark.parametrize("put", SPECS[1:], ids=str)
@pytest.mark.parametrize("taken", SPECS[1:], ids=str)
def test_slices_of_embeddings(put: Any, taken: Any) -> None:
    full = np.zeros(5)
    full[index_of([put])] = VALUES["x"][index_of([put])]
    node = slice_(embed(slice_(x, [put]), [put], (5,)), [taken])
    np.testing.assert_array_equal(evaluate(node, VALUES), full[index_of([taken])])


def test_what_slices_simplify_to() -> None:
    assert slice_(x, [slice(None)]) is slice_(x, [slice(0, 5)]) is x
    assert slice_(zeros((5,)), [slice(1, 3)]) is zeros((2,))
    assert slice_(ones((5, 2)), [2, None]) is ones((2,))
    v = variable("v", (4,))
    assert slice_(broadcast(v, (3, 4)), [slice(0, 2), None]) is broadcast(v, (2, 4))
    assert slice_(broadcast(v, (3, 4)), [1, slice(0, 2)]) is slice_(v, [slice(0, 2)])
    assert slice_(embed(v, [slice(3, 7)], (9,)), [slice(0, 2)]) is zeros((2,))
    assert slice_(embed(v, [slice(3, 7)], (9,)), [4]) is slice_(v, [1])
    assert slice_(scale(2, x), [1]) is scale(2, slice_(x, [1]))


def test_slices_that_do_not_fit_are_errors() -> None:
    with pytest.raises(IndexRangeError, match="index 5 is outside an axis of 5"):
        slice_(x, [5])
    with pytest.raises(IndexError):  # so that Python's own iteration ends
        slice_(x, [-6])
    with pytest.raises(ShapeError, match="2 indices"):
        slice_(x, [0, 0])
    with pytest.raises(ShapeError, match="size n"):
        slice_(variable("y", (symbol("n"),)), [0])
    with pytest.raises(ShapeError, match="cannot write"):
        embed(x, [slice(0, 2)], (7,))
    y = variable("y", (symbol("n"), 3))
    assert slice_(y, [None, 1]).shape == (symbol("n"),)


# ------------------------------------------------------------------ concatenation


def test_parts_in_order_are_the_whole() -> None:
    parts = [slice_(x, [k]) for k in range(5)]
    assert stack(parts) is x
    assert stack(parts[::-1]) is slice_(x, [slice(None, None, -1)])
    assert stack([parts[0], parts[2], parts[4]]) is slice_(x, [slice(None, None, 2)])
    rows = [slice_(A, [k, None]) for k in range(3)]
    columns = [slice_(A, [None, k]) for k in range(4)]
    assert stack(rows) is stack(columns, axis=1) is A
    halves = [slice_(x, [slice(0, 2)]), slice_(x, [slice(2, 5)])]
    assert concatenate(halves) is x
    assert concatenate([concatenate(halves[:1]), halves[1]]) is x
    y = variable("y", (2,))
    assert concatenate([y, concatenate([x, y])]) is concatenate([concatenate([y, x]), y])
    assert concatenate([x, variable("e", (0,))]) is x
    assert concatenate([zeros((2,)), x, zeros((1,))]) is embed(x, [slice(2, 7)], (8,))
    assert concatenate([ones((2,)), ones((3,))]) is ones((5,))
    s = variable("s", ())
    assert stack([s]) is broadcast(s, (1,))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_slices_of_parts_are_the_parts(axis: int) -> None:
    y, z = variable("y", (2, 2)), variable("z", (2, 2))
    whole = concatenate([y, z, y], axis)
    for cut, part in ((slice(0, 2), y), (slice(2, 4), z), (slice(4, 6), y)):
        specs = [None, None]
        specs[axis] = cut  # type: ignore[call-overload]
        assert slice_(whole, specs) is part
    specs = [None, None]
    specs[axis] = 3  # type: ignore[call-overload]
    inner = [None, None]
    inner[axis] = 1  # type: ignore[call-overload]
    assert slice_(whole, specs) is slice_(z, inner)
    assert slice_(stack([slice_(y, [0, 0]), variable("s", ())]), [1]) is variable("s", ())


def test_parts_and_slices_with_steps() -> None:
    s = variable("s", ())
    whole = concatenate([x, variable("w", (3,))])
    both = np.concatenate([VALUES["x"], VALUES["w"]])
    for spec in (slice(None, None, -1), slice(1, 7, 2), slice(6, 2, -3), slice(5, 8), 4, 7):
        np.testing.assert_array_equal(evaluate(slice_(whole, [spec]), VALUES), both[spec])
    mixed = apply(whole.primitive, s, x, s, axis=-1, rows=(True, False, True))
    every = np.array([9.0, *VALUES["x"], 9.0])
    for spec in (0, 3, 6, slice(0, 1), slice(6, None), slice(0, 3), slice(None, None, -2)):
        got = evaluate(slice_(mixed, [spec]), {**VALUES, "s": 9.0})
        np.testing.assert_array_equal(got, every[spec])


def test_parts_that_do_not_fit_are_errors() -> None:
    with pytest.raises(ShapeError, match="cannot join arrays of shapes 5 and 3×4"):
        concatenate([x, A])
    with pytest.raises(ShapeError, match="no axis 2"):
        concatenate([A, A], axis=2)
    with pytest.raises(ShapeError, match="nothing to stack"):
        stack([])
    with pytest.raises(ShapeError, match="scalars"):
        concatenate([variable("s", ())])
    with pytest.raises(ShapeError, match="real and int"):
        stack([slice_(x, [slice(0, 3)]), i])


# ------------------------------------------------------------------ gathers


def test_indices_are_numpys() -> None:
    a, b = VALUES["i"], np.array([[1], [0]])
    k = variable("k", (2, 1), dtype="int")
    values = {**VALUES, "k": b}
    cases: list[tuple[Expr, Any]] = [
        (take(x, [i]), VALUES["x"][a]),
        (take(A, [i]), VALUES["A"][a]),
        (take(T, [i], rank=2), VALUES["T"][:, a]),
        (take(A, [i, k]), VALUES["A"][a, b]),
        (take(T, [k, i]), VALUES["T"][b, a]),
        (take(T, [k], rank=1), VALUES["T"][..., b]),
        (take(i, [k]), a[b]),
        (take_along(A, int_array(np.argsort(VALUES["A"], 0)), 0), np.sort(VALUES["A"], 0)),
    ]
    for node, expected in cases:
        assert node.shape == expected.shape
        np.testing.assert_array_equal(evaluate(node, values), expected)


@pytest.mark.parametrize("bad", [3, -4])
def test_indices_out_of_range_are_errors(bad: int) -> None:
    values = {**VALUES, "i": np.array([0, bad, 1])}
    w = variable("w", (3,))
    nodes = [
        take(w, [i]),
        take_along(w, i),
        apply(SCATTER, w, i, sizes=(3,)),
        apply(SCATTER_ALONG, w, i, size=3),
    ]
    for node in nodes:
        with pytest.raises(IndexRangeError, match=f"index {bad} is outside an axis of 3 entries"):
            evaluate(node, values)


def test_indices_that_do_not_fit_are_errors() -> None:
    with pytest.raises(ShapeError, match="integers"):
        take(x, [variable("w", (3,))])
    with pytest.raises(ShapeError, match="broadcast"):
        take(A, [i, arange(2)])
    with pytest.raises(ShapeError, match="2 indices for 1 axes"):
        take(x, [i, i])
    with pytest.raises(ShapeError, match="all axes but the last"):
        apply(TAKE_ALONG, A, int_array(np.zeros((2, 3), int)))
    assert broadcast_shape([(3, 1), (2,), ()]) == (3, 2)


def test_many_entries_at_one_place_add_up() -> None:
    rng = np.random.default_rng(0)
    for lead, rest in (((), ()), ((2,), ()), ((), (3,)), ((2,), (7,))):
        places, w = rng.integers(-4, 4, 50), rng.standard_normal((*lead, 50, *rest))
        index = variable("i", (50,), dtype="int")
        node = apply(SCATTER, variable("w", w.shape), index, sizes=(4, *rest))
        expected = np.zeros((*lead, 4, *rest))
        np.add.at(expected, (slice(None),) * len(lead) + (places,), w)
        assert_close(evaluate(node, {"w": w, "i": places}), expected, 1e-13)
        single = evaluate(node, {"w": w, "i": places}, np.float32)
        assert single.dtype == np.float32
        assert_close(np.asarray(single, np.float64), expected, 1e-5)


@pytest.mark.parametrize("batched", [(True, False), (False, True), (True, True)], ids=str)
@pytest.mark.parametrize("name", ["take", "take along", "scatter", "scatter along"])
def test_batch_rules(name: str, batched: tuple[bool, bool]) -> None:
    """One more leading axis means one operand after another."""
    rng = np.random.default_rng(3)
    shapes = {"take": ((2, 3), (4,)), "take along": ((2, 3), (3, 4)[1:]), "scatter": ((2, 4), (4,)),
              "scatter along": ((2, 4), (4,))}[name]  # fmt: skip
    build: Callable[[Expr, Expr], Expr] = {
        "take": lambda a, b: apply(TAKE, a, b, rank=1),
        "take along": lambda a, b: apply(TAKE_ALONG, a, b),
        "scatter": lambda a, b: apply(SCATTER, a, b, sizes=(3,)),
        "scatter along": lambda a, b: apply(SCATTER_ALONG, a, b, size=3),
    }[name]
    one = [variable("a", shapes[0]), variable("b", shapes[1], dtype="int")]
    node = build(*one)
    many = [
        variable(v.params[0], (5, *v.shape), dtype=v.dtype) if flag else v
        for v, flag in zip(one, batched, strict=True)
    ]
    assert node.primitive.batch is not None
    spread = node.primitive.batch(node, tuple(many), batched)
    values = {"a": rng.standard_normal(many[0].shape), "b": rng.integers(-3, 3, many[1].shape)}
    got = evaluate(spread, values)
    for k in range(5):
        pairs = zip(values.items(), batched, strict=True)
        each = {n: v[k] if flag else v for (n, v), flag in pairs}
        assert_close(got[k], evaluate(node, each), 1e-13)


# ------------------------------------------------------------------ derivatives keep structure


def largest(expr: Expr) -> int:
    return make_plan([lower(expr)], {}).largest


def test_jacobians_are_no_larger_than_their_result() -> None:
    """Deltas pass through linear operations without becoming dense arrays."""
    n = 400
    v, M = variable("v", (n,)), variable("M", (n, 3))
    few = int_array([3, 1, 399])
    weighted = elementwise("exp", v)
    cases = {
        "pick": (slice_(weighted, [2]), v, n),
        "slice": (slice_(weighted, [slice(1, 4)]), v, 3 * n),
        "pick of a row": (slice_(M, [7, None]), M, 9 * n),
        "take": (take(weighted, [few]), v, 3 * n),
        "sum of a slice": (sum_(slice_(weighted, [slice(0, 300)])), v, n),
        "sum of a gather": (sum_(elementwise("sin", take(v, [few]))), v, n),
        "difference": (
            sum_(
                elementwise(
                    "exp", add([slice_(v, [slice(1, None)]), slice_(v, [slice(0, -1)])], [1, -1])
                )
            ),
            v,
            n,
        ),
        "running sum": (sum_(elementwise("exp", cumsum(v))), v, n),
    }
    for name, (root, leaf, bound) in cases.items():
        for mode in ("forward", "reverse"):
            if mode == "forward" and name == "running sum":
                continue  # the Jacobian of a running sum is a triangle
            assert largest(derivative(root, [leaf], mode)) <= bound, (name, mode)


def test_products_with_unit_vectors_are_slices() -> None:
    unit = embed(constant(1), [2], (3,))
    assert matmul(unit, A) is slice_(A, [2, None])
    assert derivative(slice_(x, [1]), [x]) is embed(constant(1), [1], (5,))


COMPOSED: dict[str, tuple[Expr, str]] = {
    "product of neighbours": (
        sum_(mul(slice_(x, [slice(1, None)]), slice_(x, [slice(0, -1)]))), "x"
    ),
    "stack of functions": (
        stack([elementwise("sin", slice_(x, [0])), mul(slice_(x, [1]), slice_(x, [4]))]), "x"
    ),
    "function of a stack": (
        elementwise("exp", concatenate([slice_(x, [slice(3, None)]), scale(2, x)])), "x"
    ),
    "rows": (elementwise("tanh", mul(slice_(A, [0, None]), slice_(A, [2, None]))), "A"),
    "columns": (elementwise("tanh", slice_(A, [None, slice(None, None, -2)])), "A"),
    "gathered rows": (elementwise("sin", take(A, [i])), "A"),
    "gathered entries": (elementwise("sin", take(A, [i, arange(3)])), "A"),
    "gather of diag": (take(diag(x), [i], rank=1), "x"),
    "gather of a batch": (elementwise("exp", take(T, [i], rank=2)), "T"),
    "running sums": (elementwise("exp", cumsum(x)), "x"),
    "running sums of columns": (elementwise("sin", cumsum(A, 0, reverse=True)), "A"),
    "running sum of a product": (cumsum(matmul(A, transpose(A))), "A"),
    "slice of a reshape": (elementwise("exp", slice_(reshape(A, (2, 6)), [1, slice(0, 4)])), "A"),
    "slice of an outer product": (
        slice_(contract([x, x], [(0,), (1,)], (0, 1)), [slice(0, 2), 3]), "x"
    ),
    "slice of diag": (slice_(add([diag(x), identity(5)]), [slice(0, 2), None]), "x"),
    "embedding": (elementwise("exp", embed(mul(x, x), [slice(None, None, -2)], (9,))), "x"),
}  # fmt: skip


@pytest.mark.parametrize("case", COMPOSED)
def test_derivatives_of_compositions(case: str) -> None:
    root, name = COMPOSED[case]
    leaf = variable(name, VALUES[name].shape)
    check_derivatives_of(root, leaf, VALUES, orders=2)
    for mode in MODES:
        shown = display(derivative(root, [leaf], mode))
        assert_close(evaluate(shown, VALUES), evaluate(derivative(root, [leaf]), VALUES), 1e-12)


@pytest.mark.parametrize("case", COMPOSED)
def test_code_means_the_expression(case: str) -> None:
    root, name = COMPOSED[case]
    leaf = variable(name, VALUES[name].shape)
    arguments = [leaf] if name == "i" else [leaf, i]
    sums = [apply(CUMSUM, root, reverse=True)] if root.ndim else []
    for expr in (root, derivative(root, [leaf]), *sums):
        scope: dict[str, Any] = {}
        exec(numpy_code(expr, arguments), scope)
        value = scope["f"](*(VALUES[a.params[0]] for a in arguments))
        assert_close(value, evaluate(expr, VALUES), 1e-12)


# ---------------------------------------------------------------- sums of embeddings


def _embedded(places: list[Any], shape: tuple[int, ...], seed: int = 0) -> tuple[Any, Any]:
    """A sum of embeddings with coefficients, and its value built by writing."""
    rng = np.random.default_rng(seed)
    total = np.zeros(shape)
    terms: list[Any] = []
    coefficients: list[int] = []
    values: dict[str, Any] = {}
    for k, place in enumerate(places):
        value = rng.normal(size=total[place].shape)
        name = f"e{k}"
        values[name] = value
        coefficients.append(int(rng.integers(-3, 4)) or 1)
        terms.append(embed(variable(name, value.shape), list(place), shape))
        total[place] += coefficients[-1] * value
    return (add(terms, coefficients), values), total


_EVERYWHERE = [(k,) for k in range(20)]
_TWICE = [(k % 20,) for k in range(40)]


@pytest.mark.parametrize(
    ("places", "shape"),
    [
        (_EVERYWHERE, (20,)),
        ([(k,) for k in range(3, 29, 2)], (40,)),
        (_TWICE, (20,)),
        ([(slice(k, k + 3),) for k in range(0, 40, 4)], (43,)),
        ([(slice(k, k + 3),) for k in range(20)], (22,)),
        ([(slice(k, k + 6, 2),) for k in range(20)], (30,)),
        ([(slice(k + 5, k, -1),) for k in range(20)], (30,)),
        ([(slice(k, k + 2),) for k in range(0, 20, 2)] + _EVERYWHERE, (20,)),
        ([(k, slice(None)) for k in range(12)], (12, 3)),
        ([(slice(None), k) for k in range(12)], (3, 12)),
        ([(i, j) for i in range(10) for j in range(11)], (10, 11)),
        ([(i, j) for i in range(3) for j in range(4)], (3, 4)),
        ([(slice(0, 2), k) for k in range(12)] + [(1, k) for k in range(12)], (3, 12)),
        ([(k, slice(None), 1) for k in range(12)], (12, 2, 3)),
        ([(0,)] * 12, (2,)),
    ],
)
def test_sums_of_many_embeddings_are_joined(places: list[Any], shape: tuple[int, ...]) -> None:
    (node, values), expected = _embedded(places, shape)
    assert_close(evaluate(node, values), expected)
    wide = [n for n in topological(node) if n.shape == shape]
    steps = any(isinstance(s, slice) and s.step for s in places[0])  # those stay apart
    assert len(wide) <= (4 if not steps else 1 + len(places))


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_functions_of_single_entries(mode: str) -> None:
    """Their derivatives have a few entries for each entry, not n for each."""
    n = 60
    x = variable("x", (n,))
    entry = [slice_(x, [k]) for k in range(n)]
    f = add([mul(entry[k], entry[k + 1]) for k in range(n - 1)])
    gradient = derivative(f, [x], mode)
    hessian = derivative(gradient, [x], mode)
    at = np.random.default_rng(0).normal(size=n)
    expected = np.append(at[1:], 0.0) + np.append(0.0, at[:-1])
    assert_close(evaluate(gradient, {"x": at}), expected)
    assert_close(evaluate(hessian, {"x": at}), np.eye(n, k=1) + np.eye(n, k=-1))
    if mode == "reverse":
        wide = [v for v in topological(gradient) if v.shape == (n,)]
        assert len(wide) < 5
