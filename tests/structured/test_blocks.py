"""Grids of structured arrays by the parts of a pytree, against NumPy on the whole matrix."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import optree
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wengert as wg
from drawing import examples
from structured.support import assert_close
from wengert.structured import StructuredArray, StructuredBlocks
from wengert.structured.elimination import Elimination, part_to_eliminate

Function = Callable[[Any], Any]


def dense_hessian(f: Function, params: Any) -> Any:
    """All blocks of a scalar function's Hessian as one matrix."""
    leaves, spec = optree.tree_flatten(params)
    shapes = [np.shape(leaf) for leaf in leaves]
    ends = np.cumsum([prod(s) for s in shapes])[:-1]

    def flat(v: Any) -> Any:
        starts = [0, *ends]
        parts = [np.reshape(v[a : a + prod(s)], s) for a, s in zip(starts, shapes, strict=True)]
        return f(optree.tree_unflatten(spec, parts))

    return wg.hessian(flat)(np.concatenate([np.ravel(leaf) for leaf in leaves]))


# ------------------------------------------------------------------ functions of several arrays


@st.composite
def functions(draw: Any) -> tuple[Function, Any]:
    """A scalar function of a dict: arrows, factorisations, adjustments, networks."""
    rng = np.random.default_rng(draw(st.integers(0, 9999)))
    n, m, k = (draw(st.integers(1, 4)) for _ in range(3))
    T, X = rng.standard_normal((n, m)), rng.standard_normal((5, n))
    e = draw(st.integers(1, 8))
    c, p = rng.integers(0, n, e), rng.integers(0, m, e)
    y = rng.standard_normal(e)
    choices: list[tuple[Function, Any]] = [
        (
            lambda q: np.sum(q["x"] ** 4) + q["b"] ** 2 * np.sum(q["x"]) + q["b"] ** 4,
            {"x": rng.uniform(1, 2, n), "b": float(rng.uniform(1, 2))},
        ),
        (
            lambda q: np.sum((T - q["U"] @ q["V"].T) ** 2),
            {"U": rng.standard_normal((n, k)), "V": rng.standard_normal((m, k))},
        ),
        (
            lambda q: np.sum((np.sum(q["c"][c] * q["p"][p], axis=1) - y) ** 2),
            {"c": rng.standard_normal((n, k)), "p": rng.standard_normal((m, k))},
        ),
        (
            lambda q: np.sum(np.tanh(X @ q[0] + q[1]) @ q[2]),
            [rng.standard_normal((n, k)), rng.standard_normal(k), rng.standard_normal(k)],
        ),
        (
            lambda q: np.sum(q[0] ** 2) + np.sum(np.exp(q[1])) + q[0][0] * q[1][-1, 0],
            (rng.standard_normal(n), rng.standard_normal((m, k))),
        ),
        (lambda q: np.sum(q["a"] ** 3), {"a": rng.uniform(1, 2, (n, m)), "unused": np.ones(2)}),
    ]
    return draw(st.sampled_from(choices))


def tree_like(params: Any, rng: Any) -> Any:
    return optree.tree_map(lambda leaf: rng.standard_normal(np.shape(leaf)), params)


def raveled(tree: Any) -> Any:
    return np.concatenate([np.ravel(leaf) for leaf in optree.tree_leaves(tree)])


@examples(60)
@given(functions(), st.integers(0, 999))
def test_a_grid_of_blocks_is_the_matrix(drawn: tuple[Function, Any], seed: int) -> None:
    f, params = drawn
    rng = np.random.default_rng(seed)
    D = dense_hessian(f, params)
    H = wg.hessian(f, structured=True)(params)
    assert isinstance(H, StructuredBlocks)
    check_grid(H, D, params, rng)
    n = len(D)
    big = float(np.abs(D).sum()) + 1.0
    check_solvers(H, D, params, rng)
    check_solvers(H.add_diagonal(big), D + big * np.eye(n), params, rng)


def check_grid(H: StructuredBlocks, D: Any, params: Any, rng: Any) -> None:
    v, w = tree_like(params, rng), tree_like(params, rng)
    flat, spec = raveled(v), optree.tree_structure(params)
    assert H.shape == D.shape
    assert H.dtype == np.float64
    assert H.nbytes == sum(b.nbytes for line in H.grid for b in line)
    assert_close(H.to_dense(), D, "to_dense")
    assert_close(np.asarray(H), D, "asarray")
    assert_close(H.to_scipy_sparse().toarray(), D, "to_scipy_sparse")
    assert_close(H.as_linear_operator() @ flat, D @ flat, "operator")
    product = H @ v
    assert optree.tree_structure(product) == spec
    shapes = [np.shape(leaf) for leaf in optree.tree_leaves(params)]
    assert [np.shape(leaf) for leaf in optree.tree_leaves(product)] == shapes
    assert_close(raveled(product), D @ flat, "@ pytree")
    assert_close(H @ flat, D @ flat, "@ vector")
    assert_close((H @ H).to_dense(), D @ D, "@ grid")
    assert_close(H.T.to_dense(), D.T, "T")
    assert_close((H + H).to_dense(), 2 * D, "+")
    assert_close((H - 3 * H).to_dense(), -2 * D, "-")
    assert_close((-H).to_dense(), -D, "negated")
    assert_close((H * 2.5).to_dense(), 2.5 * D, "*")
    assert_close(H.add_diagonal(0.5).to_dense(), D + 0.5 * np.eye(len(D)), "add_diagonal")
    assert optree.tree_structure(H.diagonal()) == spec
    assert_close(raveled(H.diagonal()), np.diag(D), "diagonal")
    assert_close(H.trace(), np.trace(D), "trace", 1e-8)
    assert_close(H.norm(), np.linalg.norm(D), "norm")
    assert_close(H.quadratic(v), flat @ D @ flat, "quadratic", 1e-8)
    assert_close(raveled(w) @ raveled(H @ v), raveled(w) @ D @ flat, "bilinear", 1e-8)
    symmetric = (D + D.T) / 2
    assert_close(H.eigvalsh(), np.linalg.eigvalsh(symmetric), "eigvalsh", 1e-7)
    for block in (b for line in H.grid for b in line):
        assert isinstance(block, StructuredArray)
    assert str(H)
    assert repr(H).startswith("<StructuredBlocks")


def check_solvers(H: StructuredBlocks, D: Any, params: Any, rng: Any) -> None:
    """The grid's own choice, the elimination of every part that can be, and one matrix."""
    values = np.linalg.svd(D, compute_uv=False)
    if values[-1] <= 1e-14 * values[0]:
        with pytest.raises((wg.SingularMatrixError, wg.DomainError)):
            H.solve(np.ones(len(D)))
        return
    if values[-1] <= 1e-7 * values[0]:
        return
    tolerance = 1e-12 * values[0] / values[-1] + 1e-9
    b = tree_like(params, rng)
    flat = raveled(b)
    expected = np.linalg.solve(D, flat)
    found = H.solve(b)
    assert optree.tree_structure(found) == optree.tree_structure(params)
    assert_close(raveled(found), expected, f"solve by {H.factors.method}", tolerance)
    assert_close(H.solve(flat), expected, "solve of a vector", tolerance)
    one = H.flat.factors
    assert_close(one.solve(flat[:, None])[:, 0], expected, f"flat, {one.method}", tolerance)
    assert one.solve(flat[:, None][:, :0]).shape == (len(D), 0)
    sign, log = np.linalg.slogdet(D)
    for factors in (H.factors, one, *_eliminations(H)):
        s, found_log = factors.slogdet()
        assert s == sign, factors.method
        assert abs(found_log - log) <= tolerance * max(1.0, abs(log)) * len(D), factors.method
        wide = factors.solve(np.stack([flat, 2 * flat], axis=1))
        assert_close(wide[:, 1], 2 * expected, factors.method, 10 * tolerance)
    if sign > 0:
        assert H.logdet() == H.slogdet()[1]


def _eliminations(H: StructuredBlocks) -> list[Any]:
    found: list[Any] = []
    for k in range(len(H.grid)):
        block = H.grid[k][k].to_dense().reshape((prod(H.row_shapes[k]),) * 2)
        values = np.linalg.svd(block, compute_uv=False)
        if len(H.grid) > 1 and values.size and values[-1] > 1e-6 * values[0] > 0:
            found.append(Elimination(H.grid, k, lambda x: H.flat @ x))
    return found


# ------------------------------------------------------------------ what is found


def test_matrix_factorisation_stores_the_grams_and_one_residual() -> None:
    rng = np.random.default_rng(0)
    n, m, k = 40, 30, 3
    T, U, V = (rng.standard_normal(s) for s in ((n, m), (n, k), (m, k)))
    f = lambda q: np.sum((T - q["U"] @ q["V"].T) ** 2)  # noqa: E731
    H = wg.hessian(f, structured=True)({"U": U, "V": V})
    assert H["U"]["U"].nbytes == H["V"]["V"].nbytes == 8 * k * k
    assert H["U"]["V"].nbytes <= 8 * (n * m + n * k + m * k)
    assert H["U"]["V"].kind != "dense"


def _adjustment(cameras: int, points: int, seen: int, seed: int = 0) -> tuple[Function, Any]:
    rng = np.random.default_rng(seed)
    c, p = rng.integers(0, cameras, seen), rng.integers(0, points, seen)
    c[:cameras], p[:points] = np.arange(cameras), np.arange(points)
    y = rng.standard_normal((seen, 2))

    def residuals(q: Any) -> Any:
        depth = 3.0 + q["points"][p, 2]
        flat = q["points"][p, :2] + q["cameras"][c, :2]
        return flat / depth[:, None] * q["cameras"][c, 2:3] - y

    params = {
        "cameras": 1.0 + 0.1 * rng.standard_normal((cameras, 3)),
        "points": 0.3 * rng.standard_normal((points, 3)),
    }
    return residuals, params


def test_bundle_adjustment_eliminates_the_points() -> None:
    residuals, params = _adjustment(4, 30, 200)
    G = wg.gauss_newton(residuals)(params).add_diagonal(1e-3)
    assert part_to_eliminate(G.grid) == 1
    assert G.factors.method == "Schur complement"
    D = G.to_dense()
    b = np.arange(1.0, len(D) + 1)
    assert_close(G.solve(b), np.linalg.solve(D, b), "Schur complement", 1e-8)
    assert_close(G.flat.solve(b), np.linalg.solve(D, b), "one matrix", 1e-8)
    assert G.logdet() == pytest.approx(np.linalg.slogdet(D)[1])
    assert G["points"]["points"].nbytes <= 8 * 4 * 30 * 9
    assert G.nbytes < D.nbytes / 2


def test_an_own_block_that_is_singular_is_no_obstacle() -> None:
    """The saddle [[0, B], [Bᵀ, E]] is regular, though its first part alone is not."""
    rng = np.random.default_rng(0)
    x, z = rng.standard_normal(3), rng.standard_normal(2)
    B = rng.standard_normal((3, 3))
    f = lambda q: q["x"] @ B @ q["y"] + np.sum(q["y"] ** 2) + q["x"][0] ** 2  # noqa: E731
    H = wg.hessian(f, structured=True)({"x": x, "y": rng.standard_normal(3)})
    D = H.to_dense()
    b = np.arange(1.0, 7.0)
    assert_close(H.solve(b), np.linalg.solve(D, b), H.factors.method)
    g = lambda q: np.sum(q["u"] ** 4) + q["u"][0] * q["w"][0] + np.sum(q["w"] ** 2)  # noqa: E731
    H = wg.hessian(g, structured=True)({"u": np.array([0.0, 1.0, 2.0]), "w": z})
    D = H.to_dense()
    b = np.arange(1.0, 6.0)
    assert_close(H.solve(b), np.linalg.solve(D, b), H.factors.method)


def test_an_own_block_that_is_nearly_singular_costs_no_digits() -> None:
    g = lambda q: np.sum(q["u"] ** 4) + q["u"][0] * q["w"][0] + np.sum(q["w"] ** 2)  # noqa: E731
    for small in (1e-2, 1e-4, 1e-6, 1e-8):
        H = wg.hessian(g, structured=True)({"u": np.array([small, 1.0, 2.0]), "w": np.ones(2)})
        D = H.to_dense()
        b = np.arange(1.0, 6.0)
        assert_close(H.solve(b), np.linalg.solve(D, b), f"{small}, {H.factors.method}", 1e-10)


def test_a_parameter_on_which_nothing_depends_is_named() -> None:
    f = lambda q: np.sum(q["a"] ** 2)  # noqa: E731
    H = wg.hessian(f, structured=True)({"a": np.ones(3), "unused": np.ones(2)})
    with pytest.raises(wg.SingularMatrixError, match="unused"):
        H.solve(np.ones(5))


def test_parts_that_do_not_fit_are_named() -> None:
    f = lambda q: np.sum(q["a"] ** 2) * q["b"]  # noqa: E731
    H = wg.hessian(f, structured=True)({"a": np.ones(3), "b": 2.0})
    with pytest.raises(wg.ShapeError, match=r"\(3,\)"):
        H @ {"a": np.ones(2), "b": 1.0}
    with pytest.raises(wg.ShapeError, match="4 entries"):
        H @ np.ones(3)
    with pytest.raises(wg.ShapeError, match="solve"):
        H.solve({"a": np.ones(3)})
    with pytest.raises(TypeError, match="cannot be combined"):
        H + 1.0
    J = wg.jacobian(lambda q: q["a"] * q["b"], structured=True)({"a": np.ones(3), "b": 2.0})
    with pytest.raises(wg.ShapeError, match="square"):
        J.solve(np.ones(3))
    with pytest.raises(wg.ShapeError, match="square"):
        J.diagonal()
    with pytest.raises(wg.ShapeError, match="do not meet"):
        H @ J


def test_a_jacobian_by_a_pytree_maps_pytrees_to_arrays() -> None:
    x, b = np.arange(1.0, 4.0), 2.0
    J = wg.jacobian(lambda q: q["a"] * q["b"], structured=True)({"a": x, "b": b})
    assert isinstance(J, StructuredBlocks)
    assert_close(J @ {"a": np.ones(3), "b": 1.0}, b + x, "@")
    assert_close(J.to_dense(), np.column_stack([b * np.eye(3), x]), "to_dense")
    back = J.T @ np.ones(3)
    assert_close(back["a"], b * np.ones(3), "T @")
    assert_close(back["b"], np.sum(x), "T @")
    assert_close((J.T @ J).to_dense(), J.to_dense().T @ J.to_dense(), "JᵀJ")


def test_higher_derivatives_by_pytrees_are_pytrees_of_arrays() -> None:
    f = lambda q: np.sum(q["a"] ** 3) * q["b"] ** 2  # noqa: E731
    params = {"a": np.array([1.0, 2.0]), "b": 3.0}
    found = wg.derivative(f, order=3, structured=True)(params)
    dense = wg.derivative(f, order=3)(params)
    for a in params:
        for b in params:
            for c in params:
                assert_close(found[a][b][c].to_dense(), dense[a][b][c], f"{a}{b}{c}")
