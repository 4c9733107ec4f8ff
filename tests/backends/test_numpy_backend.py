"""Every kind of instruction against einsum: all labellings of small arrays, any layout, sizes 0
and 1, both precisions."""

from __future__ import annotations

import itertools
import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawing import examples
from operations.support import assert_close, evaluate
from wengert.backends import compile_plan
from wengert.backends.numpy_views import diagonal_view
from wengert.errors import SingularMatrixError
from wengert.operations import (
    add,
    broadcast,
    constant,
    contract,
    det,
    diag,
    elementwise,
    identity,
    inv,
    logdet,
    matmul,
    max_,
    mul,
    norm2,
    power,
    scale,
    softmax,
    sum_,
    transpose,
    variable,
)
from wengert.plan import Plan
from wengert.plan.instructions import (
    Combine,
    Fill,
    Input,
    Instruction,
    Pair,
    Reshape,
    Scale,
    Single,
    Term,
)

SIZE = {0: 2, 1: 3, 2: 4, 3: 1}
FLOAT = np.dtype(np.float64)


def run(instruction: Instruction, *arrays: Any, dtype: Any = FLOAT) -> Any:
    """One instruction on arrays in slots 0, 1, ...; its target is the next slot."""
    inputs = [Input(k, np.shape(a), f"v{k}") for k, a in enumerate(arrays)]
    plan = Plan((*inputs, instruction), (instruction.target,), len(arrays) + 1)
    return compile_plan(plan, dtype)({f"v{k}": a for k, a in enumerate(arrays)})[0]


def array(labels: tuple[int, ...], sizes: dict[int, int] = SIZE, layout: int = 0) -> Any:
    rng = np.random.default_rng(len(labels) + 7 * layout)
    shape = tuple(sizes[x] for x in labels)
    made = rng.standard_normal(shape)
    if layout == 1 and labels:
        made = np.asfortranarray(made)
    if layout == 2 and made.ndim:
        made = rng.standard_normal((*shape[:-1], 2 * shape[-1]))[..., ::2]
    if layout == 3 and made.ndim:
        made = made[::-1]
    return made


RANKS = [p for r in range(4) for p in itertools.permutations(range(4), r)]


@pytest.mark.parametrize("left", RANKS, ids=str)
def test_pairs(left: tuple[int, ...]) -> None:
    """Every pair of labellings up to rank 3, shared labels summed or kept, outputs in any order."""
    rng = np.random.default_rng(sum(3**k * x for k, x in enumerate(left)))
    for right in RANKS:
        shared = [x for x in left if x in right]
        single = [x for x in (*left, *right) if x not in shared]
        for kept in itertools.product((False, True), repeat=len(shared)):
            out = single + [x for x, keep in zip(shared, kept, strict=True) if keep]
            if len(out) > 4:
                continue
            for order in {tuple(out), tuple(out[::-1]), tuple(rng.permutation(out).tolist())}:
                a, b = array(left, layout=rng.integers(4)), array(right, layout=rng.integers(4))
                shape = tuple(SIZE[x] for x in order)
                pair = Pair(2, shape, 0, 1, left, right, order, 1)
                expected = np.einsum(a, left, b, right, order)
                np.testing.assert_allclose(run(pair, a, b), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "sizes", [{0: 0, 1: 3, 2: 2}, {0: 2, 1: 0, 2: 3}, {0: 2, 1: 3, 2: 0}, {0: 1, 1: 1, 2: 1}]
)
def test_pairs_of_empty_arrays(sizes: dict[int, int]) -> None:
    for left, right, out in [
        ((0, 1), (1, 2), (0, 2)), ((0, 1), (1,), (0,)), ((1,), (1,), ()), ((0, 1), (0, 1), ()),
        ((0, 1), (0, 1), (0,)), ((0, 1, 2), (1, 2), (0,)), ((0, 1, 2), (2, 1, 0), (1,)),
        ((0,), (1,), (0, 1)),
        ((), (0, 1), (1, 0)), ((0, 1), (1, 2), (2, 0)), ((0, 1, 2), (0, 1), (2, 0)),
    ]:  # fmt: skip
        a, b = array(left, sizes), array(right, sizes)
        shape = tuple(sizes[x] for x in out)
        expected = np.einsum(a, left, b, right, out)
        got = run(Pair(2, shape, 0, 1, left, right, out, 1), a, b)
        assert np.shape(got) == expected.shape
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_singles() -> None:
    """Sums, diagonals and permutations of one array, with labels of any number."""
    cases = 0
    for rank in range(1, 5):
        for pattern in itertools.product(range(3), repeat=rank):
            used = sorted(set(pattern))
            for r in range(len(used) + 1):
                for out in itertools.permutations(used, r):
                    sizes = {0: 2, 1: 3, 2: 4}
                    a = array(pattern, sizes, layout=cases % 4)
                    shape = tuple(sizes[x] for x in out)
                    for shift in (0, 60):
                        labels, to = (
                            tuple(x + shift for x in pattern),
                            tuple(x + shift for x in out),
                        )
                        got = run(Single(1, shape, 0, labels, to, a.size), a)
                        np.testing.assert_allclose(
                            got, np.einsum(a, pattern, out), rtol=1e-12, atol=1e-14
                        )
                    cases += 1
    assert cases > 500


def test_fills() -> None:
    for rank in range(5):
        for out in itertools.product(range(3), repeat=rank):
            sizes = {0: 2, 1: 3, 2: 1}
            shape = tuple(sizes[x] for x in out)
            got = run(Fill(0, shape, 2.5, out))
            assert got.shape == shape
            for index in np.ndindex(shape):
                seen: dict[int, int] = {}
                on = all(seen.setdefault(x, k) == k for x, k in zip(out, index, strict=True))
                assert got[index] == (2.5 if on else 0.0)


TERMS = [
    ((0, 1), (0, 1)),
    ((0,), (0, 0)),
    ((), (0, 0)),
    ((), (0, 1)),
    ((1,), (0, 1)),
    ((0,), (0, 1)),
]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(TERMS), st.sampled_from([1.0, -1.0, 2.0, 0.5, 0.0]), st.integers(0, 3)
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from([np.float64, np.float32]),
)
@examples(200)
def test_combinations(drawn: Any, kind: Any) -> None:
    """Sums of plain terms, diagonals, constants, rows and columns, in any mixture."""
    n = 3
    arrays, terms, expected = [], [], np.zeros((n, n))
    for k, ((labels, out), factor, layout) in enumerate(drawn):
        a = array(labels, {0: n, 1: n}, layout).astype(kind)
        arrays.append(a)
        plain = labels == (0, 1)
        terms.append(Term(k, factor, labels, labels if plain else out))
        dense = {
            ((0, 1), (0, 1)): lambda v: v,
            ((0,), (0, 0)): np.diag,
            ((), (0, 0)): lambda v: v * np.eye(n),
            ((), (0, 1)): lambda v: np.full((n, n), v),
            ((1,), (0, 1)): lambda v: np.tile(v, (n, 1)),
            ((0,), (0, 1)): lambda v: np.tile(v, (n, 1)).T,
        }[labels, out]
        expected = expected + factor * dense(np.asarray(a, dtype=float))
    before = [a.copy() for a in arrays]
    got = run(Combine(len(arrays), (n, n), tuple(terms)), *arrays, dtype=np.dtype(kind))
    assert got.dtype == kind
    tolerance = 1e-12 if kind is np.float64 else 1e-5
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
    for one, two in zip(arrays, before, strict=True):
        assert np.array_equal(one, two)


def test_combinations_of_higher_patterns() -> None:
    """δ ⊗ core of rank 4, permuted and added to another."""
    core, other = array((0, 1), {0: 3, 1: 2}), array((0, 1), {0: 2, 1: 2})
    terms = (Term(0, 1.0, (0, 1), (2, 0, 2, 1)), Term(1, -2.0, (0, 1), (0, 3, 1, 3)))
    got = run(Combine(2, (2, 3, 2, 2), terms[:1]), core, other)
    np.testing.assert_allclose(got, np.einsum("ij,kl->kilj", core, np.eye(2)))
    got = run(Combine(2, (2, 2, 2, 2), terms[1:]), core, other)
    np.testing.assert_allclose(got, -2 * np.einsum("ij,kl->ikjl", other, np.eye(2)))


def test_scale_and_reshape() -> None:
    a = array((0, 1, 2))
    np.testing.assert_allclose(run(Scale(1, a.shape, 0, -1.5), a), -1.5 * a)
    np.testing.assert_allclose(run(Reshape(1, (6, 4), 0), a), a.reshape(6, 4))
    turned = array((0, 1, 2), layout=1)
    np.testing.assert_allclose(run(Reshape(1, (4, 6), 0), turned), turned.reshape(4, 6))


def test_diagonal_views_write_through() -> None:
    for out in [(0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1, 0), (0, 0, 0)]:
        sizes = {0: 2, 1: 3}
        whole = np.zeros(tuple(sizes[x] for x in out))
        view = diagonal_view(whole, out)
        distinct = tuple(dict.fromkeys(out))
        assert view.shape == tuple(sizes[x] for x in distinct)
        view[...] = array(distinct, sizes)
        assert np.array_equal(np.einsum(whole, out, distinct), view)
        assert np.count_nonzero(whole) == view.size


# ------------------------------------------------------------------ dtypes and special values


EXPRESSIONS = {
    "product": matmul,
    "scaled": lambda A, x: scale(3, matmul(transpose(A), x)),
    "third": lambda A, x: scale(Fraction(1, 3), x),
    "sum with a constant": lambda A, x: add([broadcast(constant(2), (3,)), x]),
    "identity": lambda A, x: add([A, identity(3)]),
    "identity alone": lambda A, x: identity(3),
    "diag": lambda A, x: add([A, diag(x)]),
    "mean": lambda A, x: scale(Fraction(1, 3), sum_(x)),
    "norm": lambda A, x: norm2(x),
    "power": lambda A, x: power(elementwise("exp", x), Fraction(1, 2)),
    "softmax": lambda A, x: softmax(A, 1),
    "maximum": lambda A, x: max_(A, 0),
    "inverse": lambda A, x: inv(A),
    "determinant": lambda A, x: mul(det(A), x),
    "logdet": lambda A, x: logdet(matmul(A, transpose(A))),
    "sum": lambda A, x: sum_(A),
    "scalar product": lambda A, x: matmul(x, x),
    "scalar times": lambda A, x: mul(matmul(x, x), A),
    "trace": lambda A, x: contract([A], [(0, 0)], ()),
    "outer": lambda A, x: contract([x, x], [(0,), (1,)], (0, 1)),
}


@pytest.mark.parametrize("name", EXPRESSIONS)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_dtype_of_the_inputs_is_kept(name: str, kind: Any) -> None:
    A, x = variable("A", (3, 3)), variable("x", (3,))
    rng = np.random.default_rng(0)
    values = {"A": rng.random((3, 3)) + 2 * np.eye(3), "x": rng.random(3)}
    node = EXPRESSIONS[name](A, x)
    got = evaluate(node, values, kind)
    assert np.asarray(got).dtype == kind
    assert_close(np.asarray(got, dtype=float), evaluate(node, values), 1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_pass_as_ieee_has_them(bad: float) -> None:
    x, A = variable("x", (3,)), variable("A", (3, 3))
    values = {"x": np.array([1.0, bad, 2.0]), "A": np.arange(9.0).reshape(3, 3) + 1}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        pairs = [
            (mul(x, x), values["x"] * values["x"]),
            (matmul(A, x), values["A"] @ values["x"]),
            (sum_(x), np.sum(values["x"])),
            (elementwise("exp", x), np.exp(values["x"])),
            (elementwise("log", x), np.log(values["x"])),
            (power(x, -1), 1 / values["x"]),
            (norm2(x), np.linalg.norm(values["x"])),
            (max_(x), np.max(values["x"])),
            (elementwise("maximum", x, scale(2, x)), np.maximum(values["x"], 2 * values["x"])),
            (add([x, x], [1, -1]), np.zeros(3)),
            (contract([x], [(0,)], (0, 0)), np.diag(values["x"])),
        ]
        for node, expected in pairs:
            np.testing.assert_array_equal(evaluate(node, values), expected)


def test_division_by_zero_gives_no_warning() -> None:
    x = variable("x", (2,))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isinf(evaluate(power(x, -1), {"x": np.zeros(2)})).all()
        assert np.isneginf(evaluate(elementwise("log", x), {"x": np.zeros(2)})).all()
        assert np.isnan(evaluate(power(x, Fraction(1, 2)), {"x": -np.ones(2)})).all()


def test_singular_matrices_are_named_errors() -> None:
    A = variable("A", (3, 3))
    with pytest.raises(SingularMatrixError, match=r"3×3.*rank 2.*pinv"):
        evaluate(inv(A), {"A": np.arange(9.0).reshape(3, 3) - 4})
    with pytest.raises(SingularMatrixError, match="rank 0"):
        evaluate(inv(A), {"A": np.zeros((3, 3))})
    batch = variable("B", (2, 2, 2))
    with pytest.raises(SingularMatrixError):
        evaluate(inv(batch), {"B": np.array([np.eye(2), np.ones((2, 2))])})


@pytest.mark.parametrize("layout", range(4))
def test_layouts_of_inputs_do_not_matter(layout: int) -> None:
    A, B, x = variable("A", (2, 3)), variable("B", (3, 2)), variable("x", (3,))
    values = {
        "A": array((0, 1), layout=layout),
        "B": array((1, 0), layout=layout),
        "x": array((1,), layout=layout),
    }
    plain = {k: np.ascontiguousarray(v) for k, v in values.items()}
    for node in (
        matmul(A, B), matmul(B, A), matmul(transpose(B), transpose(A)), matmul(A, x),
        add([A, transpose(B)]),
        softmax(A, 1), contract([A, B, x], [(0, 1), (1, 0), (1,)], (0,)), inv(matmul(A, B)),
    ):  # fmt: skip
        assert_close(evaluate(node, values), evaluate(node, plain), 1e-13)


def test_scalars_may_be_numbers_arrays_or_numpy_scalars() -> None:
    a, x = variable("a", ()), variable("x", (2,))
    node = mul(elementwise("exp", a), power(a, 2), x)
    expected = np.exp(2.0) * 4 * np.array([1.0, 3.0])
    for scalar in (2.0, np.float64(2.0), np.array(2.0)):
        assert_close(evaluate(node, {"a": scalar, "x": [1.0, 3.0]}), expected)
