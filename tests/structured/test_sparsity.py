"""Patterns against dense derivatives: none misses an entry, and most have no entry too many."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import wengert as wg
from drawing import examples
from operations.expressions import Sample, samples
from operations.support import BATCHED, SMALL, Call, by_id, differentiable, evaluate, rng_for
from wengert.derive import derivative
from wengert.errors import MissingRuleError, TracingError
from wengert.expr import Expr, rebuild
from wengert.operations import contract, variable
from wengert.operations.discrete import int_array
from wengert.operations.rebuild import with_operands
from wengert.structured.coloring import color_columns, color_symmetric
from wengert.structured.compressed import Colored, compressed, gradient
from wengert.structured.dependence import DensePatternError
from wengert.structured.sparsity import hessian_pattern, jacobian_pattern

RNG = np.random.default_rng(5)


# ---------------------------------------------------------------- every declared operation


def dense(root: Expr, leaves: Sequence[Expr], values: dict[str, Any]) -> Any:
    """The Jacobian as a matrix."""
    blocks = [evaluate(derivative(root, [leaf]), values) for leaf in leaves]
    rows = int(np.prod(root.shape))
    widths = [int(np.prod(leaf.shape)) for leaf in leaves]
    return np.hstack([np.reshape(b, (rows, n)) for b, n in zip(blocks, widths, strict=True)])


def dense_hessian(root: Expr, leaves: Sequence[Expr], values: dict[str, Any]) -> Any:
    return np.vstack([
        dense(derivative(root, [leaf]), leaves, values) for leaf in leaves
    ])  # fmt: skip


def weighted_sum(node: Expr) -> tuple[Expr, dict[str, Any]]:
    """A sum of the entries in which none cancels another."""
    weights = variable("weights", node.shape)
    axes = tuple(range(node.ndim))
    drawn = np.random.default_rng(1).uniform(0.5, 1.5, node.shape)
    return contract([node, weights], [axes, axes], ()), {"weights": drawn}


def with_known(node: Expr, call: Call, values: dict[str, Any]) -> Expr:
    """The discrete operands as constants."""
    memo = {
        variable(n, s, dtype=d): int_array(values[n])
        for n, s, d in zip(call.names, call.shapes, call.dtypes, strict=True)
        if d in ("int", "bool")
    }
    return rebuild(node, with_operands, dict(memo)) if memo else node


def missed(found: Any, pattern: Any) -> Any:
    """Entries that are not zero (or NaN), and not in the pattern."""
    return np.argwhere((np.abs(found) > 1e-12) & ~pattern.toarray())


@by_id([c for c in SMALL + BATCHED if differentiable(c) and c.leaves()])
def test_no_operation_has_an_entry_outside_of_its_pattern(call: Call):
    values = call.draw(rng_for(call))
    for node in {call.node(), with_known(call.node(), call, values)}:
        if node.dtype != "real" or not all(isinstance(s, int) for s in node.shape):
            continue
        leaves = call.leaves()
        (pattern,) = jacobian_pattern([node], leaves)
        try:
            assert not len(missed(dense(node, leaves, values), pattern))
            total, more = weighted_sum(node)
            second = dense_hessian(total, leaves, {**values, **more})
        except MissingRuleError:
            continue  # no derivative is declared in one of them
        assert not len(missed(second, hessian_pattern([total], leaves)))


@given(samples(kinks=True))
@examples(150)
def test_random_expressions_have_no_entry_outside_of_their_patterns(sample: Sample):
    if not sample.tame or not sample.depends_on:
        return
    root, values = sample.pair.expr, sample.values
    leaves = [variable(k, values[k].shape) for k in sample.depends_on]
    if set(leaves) - _variables(root):
        return  # declared with assumptions
    total, more = weighted_sum(root)
    values = {**values, **more}
    with np.errstate(all="ignore"):
        first, second = dense(root, leaves, values), dense_hessian(total, leaves, values)
    tiny = 1e-9 * (1 + np.nanmax(np.abs(second), initial=0))
    (pattern,) = jacobian_pattern([root], leaves)
    assert not len(missed(np.where(np.abs(first) > tiny, first, 0), pattern))
    pairs = hessian_pattern([total], leaves)
    assert not len(missed(np.where(np.abs(second) > tiny, second, 0), pairs))


def _variables(root: Expr) -> set[Expr]:
    from wengert.expr import topological

    return {n for n in topological(root) if n.name == "variable"}


# ---------------------------------------------------------------- functions that are written down


def heat(steps: int) -> Callable[[Any], Any]:
    def f(u: Any) -> Any:
        for _ in range(steps):
            u = u + 0.1 * (np.roll(u, 1) - 2 * u + np.roll(u, -1)) - 0.01 * u**3
        return u

    return f


def heat_by_scan(steps: int) -> Callable[[Any], Any]:
    def step(u: Any, _: Any) -> Any:
        inner = u[1:-1] + 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2]) * u[1:-1]
        return np.concatenate([u[:1], inner, u[-1:]]), u

    return lambda u: wg.scan(step, u, None, length=steps)[0]


def heat_in_the_plane(steps: int) -> Callable[[Any], Any]:
    def f(u: Any) -> Any:
        for _ in range(steps):
            lap = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]
            u = wg.at(u)[1:-1, 1:-1].set(u[1:-1, 1:-1] + 0.1 * lap * u[1:-1, 1:-1])
        return u

    return f


def burgers(u: Any) -> Any:
    for _ in range(3):
        flux = u**2 / 2
        u = wg.at(u)[1:-1].set(
            u[1:-1] - 0.1 * (flux[2:] - flux[:-2]) + 0.01 * (u[2:] - 2 * u[1:-1] + u[:-2])
        )
    return u


def brusselator(y: Any) -> Any:
    u, v = y.reshape(2, -1)

    def lap(w: Any) -> Any:
        return np.roll(w, 1) + np.roll(w, -1) - 2 * w

    return np.concatenate([1 + u**2 * v - 4 * u + 0.02 * lap(u), 3 * u - u**2 * v + 0.02 * lap(v)])


def rosenbrock(x: Any) -> Any:
    total = 0.0
    for k in range(len(x) - 1):
        total = total + 100 * (x[k + 1] - x[k] ** 2) ** 2 + (1 - x[k]) ** 2
    return total


def arrow(x: Any) -> Any:
    return np.sum(x[1:] ** 2 * x[0]) + x[0] ** 3


def masked(x: Any) -> Any:
    return np.where(np.arange(len(x)) % 3 == 0, x**2 * np.roll(x, 2), 1.0)


def soft_choices(x: Any) -> Any:
    return np.exp(x) / np.exp(x).sum(1, keepdims=True)


STENCIL = np.eye(24, k=1) - 2 * np.eye(24) + np.eye(24, k=-1)
PLACES = np.random.default_rng(0).permutation(24)[:10]

FIRST = {
    "heat": heat(5),
    "heat by scan": heat_by_scan(3),
    "Burgers": burgers,
    "Brusselator": brusselator,
    "matrix of a stencil": lambda x: np.tanh(STENCIL @ np.sin(STENCIL @ x)),
    "mask": masked,
    "gather": lambda x: x[PLACES] * x[PLACES[::-1]] ** 2,
    "running sums": lambda x: np.cumsum(x.reshape(4, 6) ** 2, axis=1),
    "soft choices": lambda x: soft_choices(x.reshape(4, 6)),
    "one block each": lambda x: np.linalg.inv(x.reshape(6, 2, 2) + 9 * np.eye(2)),
    "sorted rows": lambda x: np.sort(x.reshape(6, 4), axis=1),
    "outer product": lambda x: np.outer(x[:4], x[4:9]),
    "branch": lambda x: wg.cond(x[0] > 9, lambda x: x * x[0], lambda x: x[::-1] * x, x),
    "half": lambda x: wg.fori_loop(0, 12, lambda k, u: wg.at(u)[k].set(u[k] * u[k + 12]), x),
    "nothing": lambda x: np.floor(x) + np.sign(x),
}  # fmt: skip
LOOSE = {"branch", "sorted rows"}  # what depends on values is any of them

SECOND = {
    "Rosenbrock by a loop": rosenbrock,
    "arrow": arrow,
    "heat": lambda u: np.sum(heat(2)(u) ** 2),
    "heat by scan": lambda u: np.sum(heat_by_scan(2)(u) ** 3),
    "Burgers": lambda u: np.sum(burgers(u) ** 2),
    "what does not matter": lambda x: np.sum((x**2)[3:] * 2) + np.sum(np.sin(x)[:2] * x[5]),
    "blocks": lambda x: np.sum(np.log(np.sum(np.exp(x.reshape(6, 4)), axis=1))),
    "determinants": lambda x: np.sum(np.linalg.det(x.reshape(6, 2, 2) + 4 * np.eye(2))),
    "linear": lambda x: np.sum(STENCIL @ x),
    "hinges": lambda x: np.sum(np.maximum(x[1:] - x[:-1], 0.0) ** 2),
    "kinks": lambda x: np.sum(np.abs(x)) + np.max(x),
    "product of sums": lambda x: np.sum(x[:5]) * np.sum(x[5:9]),
}


@pytest.mark.parametrize("name", FIRST)
def test_patterns_of_jacobians(name: str):
    x = RNG.uniform(0.5, 1.5, 24)
    pattern = wg.sparsity(FIRST[name])(x)
    found = wg.jacobian(FIRST[name])(x).reshape(-1, 24)
    assert pattern.shape == found.shape
    assert pattern.dtype == bool
    assert not len(missed(found, pattern))
    if name not in LOOSE:
        assert pattern.nnz == np.count_nonzero(found)


@pytest.mark.parametrize("name", SECOND)
def test_patterns_of_hessians(name: str):
    x = RNG.uniform(0.5, 1.5, 24)
    pattern = wg.sparsity(SECOND[name], order=2)(x)
    found = wg.hessian(SECOND[name])(x)
    assert not len(missed(found, pattern))
    assert (pattern != pattern.T).nnz == 0
    if name not in ("determinants", "hinges"):  # a determinant has no squares; hinges are values
        assert pattern.nnz == np.count_nonzero(found)
    gradients = wg.sparsity(wg.grad(SECOND[name]))(x)
    assert not len(missed(found, gradients))


def test_the_plane():
    u = RNG.uniform(0.5, 1.5, (5, 6))
    for steps in (1, 2):
        found = wg.jacobian(heat_in_the_plane(steps))(u).reshape(30, 30)
        assert np.array_equal(wg.sparsity(heat_in_the_plane(steps))(u).toarray(), found != 0)


def test_several_arguments_and_results():
    def f(p: Any) -> Any:
        return {"sum": p["a"][1:] * p["b"], "cross": np.sum(p["a"] ** 2)}

    pattern = wg.sparsity(f)({"a": np.ones(3), "b": np.ones(2)}).toarray().astype(int)
    assert pattern.tolist() == [[1, 1, 1, 0, 0], [0, 1, 0, 1, 0], [0, 0, 1, 0, 1]]


def test_loops_that_decide_as_they_run():
    def f(x: Any) -> Any:
        return wg.while_loop(lambda u: np.sum(u) < 50, lambda u: u + np.roll(u, 6) ** 2, x)

    x = RNG.uniform(0.5, 1.5, 24)
    pattern = wg.sparsity(f)(x)
    assert pattern.nnz == 24 * 4
    assert not len(missed(wg.jacobian(f)(x), pattern))
    total = wg.sparsity(lambda x: np.sum(f(x)), order=2)(x)
    assert not len(missed(wg.jacobian(wg.grad(lambda x: np.sum(f(x))))(x), total))


def test_loops_whose_bounds_are_known_as_they_run():
    def f(x: Any) -> Any:
        return wg.fori_loop(0, np.argmax(x), lambda k, u: u * np.roll(u, 12), x)

    x = RNG.uniform(0.5, 1.5, 24)
    x[3] = 2.0
    pattern = wg.sparsity(f)(x)
    assert pattern.nnz == 48
    assert not len(missed(wg.jacobian(f)(x), pattern))


def test_zeros_from_outside_are_read_at_every_call():
    A = np.eye(3)

    def f(x: Any) -> Any:
        return A @ x

    assert wg.sparsity(f)(np.ones(3)).nnz == 3
    A[0, 2] = 1.0
    assert wg.sparsity(f)(np.ones(3)).nnz == 4


def test_within_an_outer_run_values_from_outside_are_not_taken_for_known():
    mask = np.array([True, False, True])
    seen: list[int] = []

    @wg.compile
    def g(x: Any) -> Any:
        seen.append(wg.sparsity(lambda y: np.where(mask, y, 0.0))(x).nnz)
        return x

    g(np.ones(3))
    assert seen == [3]


def test_errors():
    with pytest.raises(TracingError, match="order is 1"):
        wg.sparsity(np.sin, order=3)
    with pytest.raises(TracingError, match="one number"):
        wg.sparsity(np.sin, order=2)(np.ones(3))
    x = variable("x", (100,))
    with pytest.raises(DensePatternError):
        jacobian_pattern([contract([x, x], [(0,), (1,)], (0, 1))], [x], limit=1000)


# ---------------------------------------------------------------- random compositions


def _mixed(x: Any, k: int) -> Any:
    """One of several operations on vectors of 12."""
    half = np.concatenate([np.zeros((2, 12)), np.eye(12)[2:]])
    return [
        lambda: np.roll(x, k) * x,
        lambda: np.sin(x),
        lambda: np.concatenate([x[k % 5 :], x[: k % 5] ** 2]),
        lambda: wg.at(x)[k % 12].set(x[(k + 3) % 12] * x[0]),
        lambda: np.where(np.arange(12) < k % 12, x, np.exp(-(x**2))),
        lambda: half @ x,
        lambda: np.repeat(x.reshape(3, 4).sum(1), 4),
        lambda: x.reshape(4, 3).T.reshape(-1) + x,
        lambda: np.maximum(x, np.roll(x, 1)),
        lambda: np.cumsum(x.reshape(2, 6), axis=1).reshape(-1),
        lambda: wg.scan(lambda c, i: (c * 0.5 + i, c * i), x[:3], x.reshape(4, 3))[1].reshape(-1),
        lambda: x / (1 + x[(np.arange(12) * 5 + k) % 12] ** 2),
    ][k % 12]()


COMPOSED = st.lists(st.integers(0, 200), min_size=1, max_size=5)


@given(COMPOSED)
@examples(80)
def test_random_compositions(choices: list[int]):
    def f(x: Any) -> Any:
        for k in choices:
            x = _mixed(x, k)
        return x

    def total(x: Any) -> Any:
        return np.sum(f(x) * np.linspace(1, 2, 12))

    x = np.random.default_rng(len(choices)).uniform(0.5, 1.5, 12)
    assert not len(missed(wg.jacobian(f)(x), wg.sparsity(f)(x)))
    assert not len(missed(wg.hessian(total)(x), wg.sparsity(total, order=2)(x)))


@given(COMPOSED, st.sampled_from(["forward", "reverse", "symmetric"]))
@examples(60)
def test_compressed_evaluation_is_the_dense_derivative(choices: list[int], mode: str):
    def f(x: Any) -> Any:
        for k in choices:
            x = _mixed(x, k)
        return x

    from wengert.transforms.recording import record

    values = np.random.default_rng(len(choices)).uniform(0.5, 1.5, 12)
    symmetric = mode == "symmetric"
    recorded = record((lambda x: np.sum(f(x) ** 2)) if symmetric else f, (values,), {}, 0)
    (root,), (leaf,) = recorded.roots, recorded.leaves
    if symmetric:
        pattern = hessian_pattern([root], [leaf])
        choice = Colored(mode, pattern, color_symmetric(pattern))
        root = gradient(root, leaf)
    else:
        (pattern,) = jacobian_pattern([root], [leaf])
        side = pattern if mode == "forward" else pattern.T.tocsr()
        choice = Colored(mode, pattern, color_columns(side))
    layout, cores = compressed(root, leaf, choice)
    (entries,) = recorded.finish(cores, [np.dtype(float)])
    found = wg.StructuredArray(layout, [entries], np.dtype(float)).to_dense()
    derive = wg.hessian(lambda x: np.sum(f(x) ** 2)) if symmetric else wg.jacobian(f)
    expected = derive(values)
    assert np.allclose(found, expected, rtol=1e-11, atol=1e-11 * (1 + np.abs(expected).max()))


# ---------------------------------------------------------------- chosen by itself


def large(name: str) -> tuple[Callable[[Any], Any], Any]:
    return FIRST[name], RNG.uniform(0.5, 1.5, 150)


@pytest.mark.parametrize("name", ["heat", "heat by scan", "Burgers"])
def test_jacobians_that_would_be_stored_whole_are_compressed(name: str):
    f, x = large(name)
    J = wg.jacobian(f, structured=True)(x)
    expected = wg.jacobian(f)(x)
    assert J.nbytes == 8 * np.count_nonzero(expected)
    assert np.allclose(J.to_dense(), expected, rtol=1e-12, atol=1e-13)
    v = RNG.standard_normal(150)
    assert np.allclose(J @ v, expected @ v)
    assert np.allclose(J.T @ v, expected.T @ v)
    assert np.allclose((J.T @ J).to_dense(), expected.T @ expected)
    assert np.allclose(J.solve(v), np.linalg.solve(expected, v))
    assert np.allclose(J.to_scipy_sparse().toarray(), expected)
    assert np.allclose(wg.compile(wg.jacobian(f, structured=True))(x).to_dense(), expected)


def test_hessians_that_would_be_stored_whole_are_compressed():
    x = RNG.uniform(0.5, 1.5, 160)
    for f in (rosenbrock, lambda u: np.sum(heat(3)(u) ** 2)):
        H = wg.hessian(f, structured=True)(x)
        expected = wg.hessian(f)(x)
        assert H.nbytes == 8 * np.count_nonzero(expected)
        assert np.allclose(H.to_dense(), expected, rtol=1e-12, atol=1e-10)
        v = RNG.standard_normal(160)
        assert np.allclose(H.solve(expected @ v), v)


def test_axes_that_come_with_a_reshape():
    def f(x: Any) -> Any:
        return np.concatenate([np.reshape(x[0] * x[k], (1,)) for k in range(3)])

    x = np.array([1.0, 2.0, 3.0])
    assert wg.sparsity(f)(x).toarray().tolist() == [[True, False, False], [True, True, False],
                                                    [True, False, True]]  # fmt: skip
    assert np.array_equal(wg.jacobian(f, structured=True)(x).to_dense(), wg.jacobian(f)(x))


def test_an_axis_that_is_split_in_two_ways():
    def f(x: Any) -> Any:
        return x.reshape(4, 3).T.reshape(-1) + x + x.reshape(3, 4).T.reshape(-1) ** 2

    x = RNG.uniform(0.5, 1.5, 12)
    expected = 2 * np.eye(12)[np.arange(12).reshape(3, 4).T.ravel()] * x
    expected += np.eye(12) + np.eye(12)[np.arange(12).reshape(4, 3).T.ravel()]
    assert np.allclose(wg.jacobian(f)(x), expected)
    assert np.allclose(
        wg.jacobian(lambda x: f(f(x)), structured=True)(x).to_dense(),
        wg.jacobian(lambda x: f(f(x)))(x),
    )
    for k in range(12):
        step = 1e-6 * np.eye(12)[k]
        change = (f(f(x + step)) - f(f(x - step))) / 2e-6
        assert np.allclose(wg.jacobian(lambda x: f(f(x)))(x)[:, k], change, rtol=1e-6)


def test_float32_stays():
    x = RNG.uniform(0.5, 1.5, 150).astype(np.float32)
    J = wg.jacobian(heat(3), structured=True)(x)
    assert J.dtype == J.values[0].dtype == np.float32
    assert np.allclose(J.to_dense(), wg.jacobian(heat(3))(x), rtol=1e-5)


def test_what_is_dense_stays_dense():
    A = RNG.standard_normal((90, 90))
    J = wg.jacobian(lambda x: np.tanh(A @ np.tanh(A @ x)), structured=True)(A[0])
    assert J.kind == "dense"


def test_blocks_of_several_arguments():
    def f(p: Any) -> Any:
        return heat(3)(p["u"]) * p["c"]

    p = {"u": RNG.uniform(0.5, 1.5, 120), "c": RNG.uniform(0.5, 1.5, 120)}
    J = wg.jacobian(f, structured=True)(p)
    D = wg.jacobian(f)(p)
    expected = np.hstack([D["c"], D["u"]])
    assert J.nbytes < 8 * expected.size / 4
    assert np.allclose(J.to_dense(), expected)


def test_derivatives_through_compressed_ones():
    x = RNG.uniform(0.5, 1.5, 80)

    def loss(x: Any) -> Any:
        J = wg.jacobian(heat(3), structured=True)(x)
        return J.trace()

    expected = wg.grad(lambda x: np.trace(wg.jacobian(heat(3))(x)))(x)
    assert np.allclose(wg.grad(loss)(x), expected)


def test_the_pattern_is_a_scipy_array():
    assert isinstance(wg.sparsity(np.sin)(np.ones(2)), sparse.csr_array)
