"""What Newton's method asks of structured arrays: damping, several right-hand sides, compiling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ShapeError, TracingError
from wengert.structured import elimination


def rng() -> Any:
    return np.random.default_rng(11)


def arrow(p: Any, A: Any) -> Any:
    """Blocks on x, dense coupling to b."""
    return np.sum(np.cosh(p["x"] @ A)) + np.sum(p["x"] ** 2) * np.sum(p["b"] ** 2) + p["b"] @ p["b"]


def case() -> tuple[Any, Any, Any]:
    params = {"b": rng().normal(size=3), "x": rng().normal(size=(40, 2))}
    return params, rng().normal(size=(2, 2)), wg.hessian(arrow, structured=True)


@pytest.mark.parametrize("entries", ["number", "tree"])
def test_damping_of_a_grid(entries: str) -> None:
    params, A, hessian = case()
    H = hessian(params, A)
    given: Any = 3.0 if entries == "number" else {"b": np.arange(1.0, 4), "x": params["x"] ** 2}
    diagonal = np.full(83, 3.0) if entries == "number" else (
        np.concatenate([given["b"], given["x"].ravel()])
    )  # fmt: skip
    found = H.add_diagonal(given)
    np.testing.assert_allclose(found.to_dense(), H.to_dense() + np.diag(diagonal), rtol=1e-13)
    assert found["x"]["x"].nbytes < 2000  # blocks still


def test_damping_of_an_array() -> None:
    x = rng().normal(size=(5, 2))
    H = wg.hessian(lambda x: np.sum(x**4), structured=True)(x)
    d = rng().normal(size=(5, 2))
    expected = H.to_dense().reshape(10, 10) + np.diag(d.ravel())
    np.testing.assert_allclose(H.add_diagonal(d).to_dense().reshape(10, 10), expected)
    assert H.add_diagonal(d).kind == "diagonal"
    with pytest.raises(ShapeError, match=r"rows' shape \(5, 2\), not of shape \(2,\)"):
        H.add_diagonal(np.ones(2))
    with pytest.raises(ShapeError, match="pytree"):
        case()[2](*case()[:2]).add_diagonal({"x": 1.0})


def test_damping_finds_its_layout_once() -> None:
    x = rng().normal(size=5)
    H = wg.hessian(lambda x: np.sum(x**4), structured=True)(x)
    assert H.add_diagonal(1.0).layout is H.add_diagonal(2.0).layout


def test_several_right_hand_sides_of_a_grid() -> None:
    params, A, hessian = case()
    H = hessian(params, A).add_diagonal(60.0)
    assert H.factors.method == "Schur complement"
    B = rng().normal(size=(83, 7))
    np.testing.assert_allclose(H.solve(B), np.linalg.solve(H.to_dense(), B), rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(H @ B, H.to_dense() @ B, rtol=1e-12, atol=1e-12)
    with pytest.raises(ShapeError, match="83 entries"):
        H.solve(B[:-1])
    with pytest.raises(ShapeError, match="one vector"):
        H.quadratic(B)


def test_coupling_blocks_that_are_too_large_to_write_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def f(p: Any, T: Any) -> Any:
        return np.sum((T - p["U"] @ p["V"].T) ** 2) + np.sum(np.cosh(p["b"] @ p["V"]))

    params = {"U": rng().normal(size=(30, 2)), "V": rng().normal(size=(9, 2)), "b": np.ones(9)}
    H = wg.hessian(f, structured=True)(params, rng().normal(size=(30, 9)))
    written, kept = H.add_diagonal(80.0), H.add_diagonal(80.0)
    B = rng().normal(size=(87, 3))
    expected = written.solve(B)
    assert written.factors.method == "Schur complement"
    monkeypatch.setattr(elimination, "_WRITTEN", 0)
    found = kept.solve(B)
    assert any(isinstance(b, wg.StructuredArray) for b in kept.factors.above)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found, np.linalg.solve(H.to_dense() + 80 * np.eye(87), B), rtol=1e-9)
    assert kept.logdet() == pytest.approx(np.linalg.slogdet(kept.to_dense())[1])


def test_a_vector_that_is_the_whole_tree_stays_a_tree() -> None:
    params, A, _ = case()
    J = wg.jacobian(lambda p: p["x"] @ A @ np.ones(2) + np.sum(p["b"]), structured=True)(params)
    r = rng().normal(size=40)
    found = J.T @ r
    assert sorted(found) == ["b", "x"]
    flat = np.concatenate([found["b"], found["x"].ravel()])
    np.testing.assert_allclose(flat, J.to_dense().T @ r, rtol=1e-12)


def test_sparse_and_dense_forms_of_a_grid_agree() -> None:
    params, A, hessian = case()
    H = hessian(params, A)
    np.testing.assert_allclose(H.to_scipy_sparse().toarray(), H.to_dense())
    np.testing.assert_allclose(H.flat.to_dense(), H.to_dense())


@pytest.mark.parametrize("condition", [1e2, 1e9])
def test_block_solves_with_many_right_hand_sides_are_as_good_as_with_one(condition: float) -> None:
    turns = np.linalg.qr(rng().normal(size=(6, 4, 4)))[0]
    sizes = np.geomspace(1, 1 / condition, 4)
    blocks = np.einsum("nij,j,nkj->nik", turns, sizes, turns)
    H = wg.hessian(lambda x: 0.5 * np.einsum("ni,nij,nj->", x, blocks, x), structured=True)(
        np.ones((6, 4))
    )
    b = rng().normal(size=(6, 4, 50))
    many = H.solve(b)
    assert H.factors.method == "blocks"
    one = np.stack([H.solve(b[..., k]) for k in range(50)], axis=-1)

    def backward_error(x: Any) -> float:
        return float(np.max(np.abs(blocks @ x - b)) / np.max(np.abs(x)))

    assert backward_error(many) <= 10 * backward_error(one) + 1e-15


def test_numbers_of_a_compiled_function_scale_and_damp() -> None:
    params, A, hessian = case()

    def damped(params: Any, scale: Any, damping: Any, v: Any) -> Any:
        H = hessian(params, A)
        return (H * scale).add_diagonal(damping) if v is None else H["x"]["x"] * scale @ v

    compiled = wg.compile(damped)
    found = compiled(params, 0.5, 2.0, None)
    expected = 0.5 * hessian(params, A).to_dense() + 2 * np.eye(83)
    np.testing.assert_allclose(found.to_dense(), expected, rtol=1e-12)
    np.testing.assert_allclose(
        compiled(params, 0.5, 2.0, params["x"]),
        0.5 * (hessian(params, A)["x"]["x"] @ params["x"]),
        rtol=1e-12,
    )


@pytest.mark.parametrize(
    "use",
    [
        lambda H, v: H.solve(v),
        lambda H, v: H.logdet(),
        lambda H, v: H.inverse(),
        lambda H, v: H.cholesky(),
        lambda H, v: H.eigvalsh(),
        lambda H, v: H.to_scipy_sparse(),
        lambda H, v: np.asarray(H),
    ],
)
@pytest.mark.parametrize("transform", [wg.compile, wg.jacobian])
def test_what_needs_numbers_is_refused_in_traced_code(
    use: Callable[[Any, Any], Any], transform: Any
) -> None:
    hessian = wg.hessian(lambda x: np.sum(x**4), structured=True)
    with pytest.raises(TracingError, match=r"test_newton_steps.py, line .* use to_dense\(\)"):
        transform(lambda x: use(hessian(x), x))(np.arange(1.0, 4))


def test_a_grid_in_traced_code() -> None:
    params, A, hessian = case()
    v = {"b": np.ones(3), "x": np.ones((40, 2))}
    with pytest.raises(TracingError, match=r"test_newton_steps.py, line .* use to_dense\(\)"):
        wg.compile(lambda p: hessian(p, A).solve(v))(params)
    found = wg.compile(lambda p, v: hessian(p, A) @ v)(params, v)
    expected = hessian(params, A) @ v
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12)


def test_products_from_both_sides_in_compiled_code() -> None:
    f: Any = lambda x: np.sum(x) ** 2 + np.sum(x**4)  # noqa: E731
    hessian = wg.hessian(f, structured=True)
    x = np.arange(1.0, 4)
    left, right = wg.compile(lambda x: (x @ hessian(x), hessian(x) @ x))(x)
    np.testing.assert_allclose(left, x @ wg.hessian(f)(x), rtol=1e-12)
    np.testing.assert_allclose(right, x @ wg.hessian(f)(x), rtol=1e-12)
    # a derivative of a structured product
    third = wg.jacobian(lambda x: hessian(x) @ np.ones(3))(x)
    np.testing.assert_allclose(third, wg.derivative(f, order=3)(x).sum(axis=1), rtol=1e-12)


# ---------------------------------------------------------------- Gauss-Newton matrices


def cross_entropy(scores: Any) -> Any:
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    return np.sum(np.log(np.sum(np.exp(shifted), axis=1))) - np.sum(shifted[:, 0])


def two_layers(p: Any, x: Any) -> Any:
    return np.tanh(x @ p["W"] + p["c"]) @ p["V"]


def several_outputs(p: Any, x: Any) -> Any:
    return {"data": np.tanh(x @ p["W"]) @ p["V"], "prior": 0.1 * p["W"], "c": p["c"] ** 2}


def gathers(p: Any, x: Any) -> Any:
    return np.sin(p["W"])[[0, 2, 2, 1]] * p["c"] - x[:4, :1] + 0 * np.sum(p["V"])


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("model", "loss"),
    [
        (two_layers, None),
        (two_layers, cross_entropy),
        (two_layers, lambda s: np.sum(np.cosh(s))),
        (several_outputs, None),
        (gathers, None),
        (gathers, lambda r: np.sum(np.log1p(r**2)) + np.sum(r) ** 2),
    ],
)
def test_gauss_newton_keeps_structure_and_says_what_the_dense_one_says(
    model: Any, loss: Any, compiled: bool
) -> None:
    params = {"W": rng().normal(size=(3, 2)), "V": rng().normal(size=(2, 3)), "c": 0.7}
    x = rng().normal(size=(6, 3))
    kept = wg.gauss_newton(model, loss=loss)
    found = (wg.compile(kept) if compiled else kept)(params, x)
    dense = wg.gauss_newton(model, loss=loss, structured=False)(params, x)
    for a in params:
        for b in params:
            np.testing.assert_allclose(found[a][b].to_dense(), dense[a][b], rtol=1e-10, atol=1e-12)
            if a != b and not compiled:  # one is made of the other
                np.testing.assert_array_equal(found[a][b].to_dense(), found[b][a].T.to_dense())


def test_gauss_newton_of_gathers_has_blocks() -> None:
    p = rng().normal(size=(50, 2))
    at = rng().integers(50, size=300)
    G = wg.gauss_newton(lambda p: np.sin(p)[at] @ np.ones((2, 1)) * p[at])(p)
    assert G.kind == "block diagonal"
    assert G.nbytes == 50 * 4 * 8
