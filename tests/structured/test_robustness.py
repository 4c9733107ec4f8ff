"""Structured arrays in rough hands: wrong shapes, extremes, float32, mutation, tracing, size."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from structured.support import Problem, assert_close, check
from wengert.structured import StructuredArray

X = np.array([0.5, 1.5, -0.7, 2.0, 1.1])
FIRST, SECOND = np.array([0, 1, 1, 4, -1]), np.array([2, 3, 0, 0, 1])

KINDS: dict[str, Callable[[Any], Any]] = {
    "diagonal": lambda x: np.sum(x**4),
    "scaled identity": lambda x: np.sum(x**2),
    "diagonal plus rank 1": lambda x: np.log(np.sum(np.exp(x))),
    "banded": lambda x: np.sum(np.diff(x) ** 4),
    "index-sparse": lambda x: np.sum((x[FIRST] - x[SECOND]) ** 4),
    "dense": lambda x: np.sum(np.tanh(np.outer(x, x))),
    "zero": np.sum,
}
by_kind = pytest.mark.parametrize("f", KINDS.values(), ids=KINDS)


def hessian(f: Callable[[Any], Any], x: Any = X) -> StructuredArray:
    return wg.hessian(f, structured=True)(x)


# ------------------------------------------------------------------ what does not fit


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda H: H @ np.ones(4), wg.ShapeError, r"takes vectors of shape \(5,\).*shape \(4,\)"),
        (lambda H: H @ 2.0, wg.ShapeError, r"shape \(\)"),
        (lambda H: H @ (1j * np.ones(5)), wg.ShapeError, "complex128 is no vector of real"),
        (lambda H: H @ np.array(["a"] * 5), wg.ShapeError, "no vector of real"),
        (lambda H: H @ hessian(KINDS["zero"], X[:3]), wg.ShapeError, "do not meet rows"),
        (lambda H: H + np.ones((4, 4)), wg.ShapeError, r"\(5, 5\) and \(4, 4\)"),
        (lambda H: H - hessian(KINDS["diagonal"], X[:3]), wg.ShapeError, r"\(3, 3\)"),
        (lambda H: H * np.ones(5), wg.ShapeError, r"\(5,\)"),
        (lambda H: H / np.ones((5, 5)), wg.ShapeError, "divided by numbers only"),
        (lambda H: H.inner(np.ones(5)), wg.ShapeError, r"\(5,\)"),
        (lambda H: H.quadratic(np.ones((5, 2))), wg.ShapeError, r"\(5, 2\)"),
        (lambda H: H.solve(np.ones(4)), wg.ShapeError, r"\(4,\)"),
        (lambda H: H.solve(np.ones(5), method="qr"), ValueError, 'methods are "direct" and "cg"'),
        (lambda H: H[7], wg.WengertError, "7"),
        (lambda H: H[0, 0, 0], wg.WengertError, "3 indices"),
        (lambda H: H[[0, 1]], IndexError, "integers and slices"),
        (lambda H: H[True], IndexError, "integers and slices"),
        (lambda H: H[None], IndexError, "integers and slices"),
        (lambda H: H[X > 0], IndexError, "integers and slices"),
        (lambda H: H.eigvalsh(0), wg.ShapeError, "no 0 eigenvalues"),
        (lambda H: H.eigvalsh(6), wg.ShapeError, "no 6 eigenvalues"),
        (lambda H: np.add(np.ones((5, 5)), H), TypeError, "ufunc"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        call(hessian(KINDS["diagonal"]))


@pytest.mark.parametrize(
    "name", ["diagonal", "trace", "logdet", "slogdet", "inverse", "cholesky", "eigvalsh"]
)
def test_arrays_that_are_not_square_say_their_shape(name: str) -> None:
    H = wg.jacobian(lambda x: x[:3] ** 2, structured=True)(X)
    with pytest.raises(wg.ShapeError, match="3"):
        getattr(H, name)()
    with pytest.raises(wg.ShapeError, match="3 by 5"):
        H.solve(np.ones(3))


def test_integers_are_refused_and_order_0_has_no_structure() -> None:
    with pytest.raises(wg.WengertError, match="int64"):
        hessian(KINDS["diagonal"], np.arange(3))
    with pytest.raises(wg.TracingError, match="order must be 1"):
        wg.derivative(lambda x: x, order=0, structured=True)


# ------------------------------------------------------------------ singular arrays


SINGULAR: dict[str, tuple[Callable[[Any], Any], str]] = {
    "an entry of a diagonal": (lambda x: np.sum(x[:3] ** 2), r"index \(3,\)"),
    "zero": (np.sum, "zero"),
    "a difference": (lambda x: np.sum(np.diff(x) ** 2), "null direction lies on 5 of 5"),
    "rank 1": (lambda x: np.sum(x) ** 2, "null direction"),
    "scaled badly": (lambda x: np.sum((1e6 * x[:2] - 1e6 * x[1:3]) ** 2) + np.sum(x[3:] ** 2),
                     "null direction lies on 3 of 5"),
    "a low rank that takes away": (lambda x: np.sqrt(np.sum(x**2)), "null direction"),
}  # fmt: skip


@pytest.mark.parametrize(("f", "where"), SINGULAR.values(), ids=SINGULAR)
def test_singular_arrays_name_the_null_direction(f: Any, where: str) -> None:
    H = hessian(f)
    for call in (lambda: H.solve(X), H.slogdet, H.logdet, H.inverse):
        with pytest.raises(wg.SingularMatrixError, match=where):
            call()
    assert_close(H.add_diagonal(1.0).solve(H.add_diagonal(1.0) @ X), X, "damped", 1e-4)


def test_a_singular_block_is_named() -> None:
    U = np.arange(1.0, 7.0).reshape(3, 2)
    H = hessian(lambda U: np.sum(np.sum(U * U, axis=1) * np.array([1.0, 0.0, 2.0])) +
                np.sum(np.prod(U, axis=1)), U)  # fmt: skip
    D = H.to_dense().reshape(6, 6)
    assert_close(H.solve(U), np.linalg.solve(D, U.ravel()).reshape(3, 2))
    H = hessian(lambda U: np.sum((U @ np.array([1.0, 2.0])) ** 2 * np.arange(3.0)), U)
    with pytest.raises(wg.SingularMatrixError, match=r"index \(0, \d\)"):
        H.solve(U)


def test_large_sparse_singular_arrays_name_the_index() -> None:
    x = np.linspace(1, 2, 300)
    H = hessian(lambda x: np.sum((x[1:] - x[:-1]) ** 2) + 0 * x[0], x)
    with pytest.raises(wg.SingularMatrixError, match=r"index \(\d+,\)"):
        H.solve(x)
    H = hessian(lambda x: np.sum((x[1:150] - x[:149]) ** 2) + x[0] ** 2, x)
    with pytest.raises(wg.SingularMatrixError, match="nothing depends on index"):
        H.solve(x)


def test_bad_units_are_not_singular() -> None:
    """D S D with D from 1e-8 to 1e8 is solved as S is."""
    rng = np.random.default_rng(0)
    for n in (5, 90):
        scale = np.logspace(-8, 8, n)
        S = np.eye(n) + 0.1 * rng.standard_normal((n, n)) / n
        S = S @ S.T
        A = scale[:, None] * S * scale
        H = hessian(lambda x, A=A: 0.5 * x @ A @ x, rng.standard_normal(n))
        y = np.linalg.solve(S, np.ones(n)) / scale
        assert_close(H.solve(scale) * scale, y * scale, H.factors.method, 1e-6)
        assert H.logdet() == pytest.approx(np.linalg.slogdet(S)[1] + 2 * np.sum(np.log(scale)))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ["diagonal", "banded", "dense"])
def test_what_is_not_finite_is_not_solved_with(kind: str, bad: float) -> None:
    x = X.copy()
    x[1] = bad
    with np.errstate(all="ignore"):
        H = hessian(KINDS[kind], x)
        np.testing.assert_array_equal(H.to_dense(), wg.hessian(KINDS[kind])(x))
        with pytest.raises(wg.SingularMatrixError):
            H.solve(X)


def test_no_number_of_steps_is_an_error() -> None:
    H = hessian(lambda x: x[0] * x[1] + x[2] * x[3] + x[4] ** 2)  # indefinite
    with pytest.raises(wg.ConvergenceError, match='method="direct"'):
        hessian(lambda x: np.sum(np.diff(x) ** 2)).solve(np.array([1.0, 0, 0, 0, 0]), method="cg")
    assert_close(H.solve(X), np.linalg.solve(H.to_dense(), X))


# ------------------------------------------------------------------ sizes, scales, precisions


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("kind", ["diagonal", "scaled identity", "diagonal plus rank 1", "zero"])
def test_empty_and_single(kind: str, n: int) -> None:
    if n or kind != "diagonal plus rank 1":
        check(Problem(KINDS[kind], X[:n], 2))


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e150])
@by_kind
def test_huge_and_tiny(f: Callable[[Any], Any], scale: float) -> None:
    H = hessian(lambda x: scale * f(x))
    D = wg.hessian(lambda x: scale * f(x))(X)
    np.testing.assert_allclose(H.to_dense(), D, rtol=1e-12)
    R = H.add_diagonal(100 * scale)
    np.testing.assert_allclose(R @ R.solve(X), X, rtol=1e-9, atol=1e-9)
    assert R.logdet() == pytest.approx(
        np.linalg.slogdet(R.to_dense() / scale)[1] + 5 * np.log(scale)
    )


@by_kind
def test_float32_stays_float32(f: Callable[[Any], Any]) -> None:
    x = X.astype(np.float32)
    H = hessian(f, x)
    R = H.add_diagonal(50.0)
    results = {
        "to_dense": H.to_dense(), "@": H @ x, "T": H.T, "+": H + H, "* number": H * 2.5,
        "* NumPy number": H * np.float64(2), "/": H / 3, "-": -H, "slice": H[1], "norm": H.norm(),
        "diagonal": H.diagonal(), "trace": H.trace(), "quadratic": H.quadratic(x), "add": R,
        "sparse": H.to_scipy_sparse(), "eigvalsh": H.eigvalsh(), "solve": R.solve(x),
        "inverse": R.inverse(), "cholesky": R.cholesky(), "@ structured": H @ H,
        "cg": R.solve(x, method="cg", tolerance=1e-5),
    }  # fmt: skip
    for what, result in results.items():
        assert result.dtype == np.float32, what
    assert all(v.dtype == np.float32 for v in H.values)
    assert_close(R.solve(x), np.linalg.solve(R.to_dense(), x), "solve", 1e-4)
    assert (H @ X).dtype == np.float64
    assert (H + hessian(f)).dtype == np.float64


def test_integers_and_lists_are_vectors() -> None:
    H = hessian(KINDS["diagonal"])
    assert_close(H @ [1, 2, 3, 4, 5], H @ np.arange(1.0, 6.0))
    assert (H @ np.ones(5, bool)).dtype == np.float64
    assert_close(H.solve([1, 2, 3, 4, 5]), H.solve(np.arange(1.0, 6.0)))


def test_arrays_need_not_be_contiguous() -> None:
    Y = np.asfortranarray(np.random.default_rng(0).standard_normal((4, 6)))[::-1, ::2]
    check(Problem(lambda X: np.sum(X**3), Y, 2))
    H = hessian(lambda X: np.sum(X**3), Y)
    assert_close(H @ Y, 6 * Y * Y)
    assert_close(H.solve(np.asfortranarray(Y)), np.full(Y.shape, 1 / 6))


def test_the_same_array_twice() -> None:
    x = X.copy()
    H = wg.hessian(lambda a, b: np.sum(a**2 * b), (0, 1), structured=True)(x, x)
    D = np.block([[np.diag(2 * x), np.diag(2 * x)], [np.diag(2 * x), np.zeros((5, 5))]])
    assert_close(H.to_dense(), D)


# ------------------------------------------------------------------ values of its own


@by_kind
def test_changed_inputs_change_nothing(f: Callable[[Any], Any]) -> None:
    x, A, w = X.copy(), np.random.default_rng(0).standard_normal((5, 5)), np.ones(5)
    i = np.array([0, 1, 1])
    H = hessian(lambda x: f(x) + x @ A @ x + np.sum(w * x**3) + np.sum(x[i] ** 2), x)
    first = hessian(lambda x: x @ A @ x)
    before, other = H.to_dense(), first.to_dense()
    kept = before.copy(), other.copy()
    x[:], A[:], w[:], i[:] = 7.0, 9.0, 5.0, 2
    np.testing.assert_array_equal(H.to_dense(), kept[0])
    np.testing.assert_array_equal(first.to_dense(), kept[1])
    before[:] = 3.0
    H.diagonal()[:] = 0.0
    (H @ X)[:] = 0.0
    np.testing.assert_array_equal(H.to_dense(), kept[0])


def test_a_dense_result_is_no_view() -> None:
    V = np.ones((3, 2))
    U = np.ones((4, 2))
    K = wg.jacobian(lambda U: U @ V.T, structured=True)(U)
    kept = K.to_dense().copy()
    V[:] = 0
    K.to_dense()[:] = 5.0
    np.testing.assert_array_equal(K.to_dense(), kept)


# ------------------------------------------------------------------ inside other transforms


def close(found: Any, expected: Any) -> None:
    """Equal but for rounding of numbers around 1, sums that vanish included."""
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-9)


@by_kind
def test_inside_grad_vmap_and_compile(f: Callable[[Any], Any]) -> None:
    def of(use: Callable[[Any, Any], Any], structured: bool) -> Callable[[Any], Any]:
        return lambda x: use(wg.hessian(f, structured=structured)(x), x)

    uses: list[tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any]]] = [
        (lambda H, x: H.trace(), lambda D, x: np.trace(D)),
        (lambda H, x: H.quadratic(x), lambda D, x: x @ D @ x),
        (lambda H, x: np.sum((H @ x) ** 3), lambda D, x: np.sum((D @ x) ** 3)),
        (lambda H, x: np.sum(H.diagonal() ** 2), lambda D, x: np.sum(np.diag(D) ** 2)),
        (lambda H, x: np.sum((H @ H).to_dense()), lambda D, x: np.sum(D @ D)),
        (lambda H, x: H[1, 1] + (2 * H + H.T).trace(), lambda D, x: D[1, 1] + 3 * np.trace(D)),
        (lambda H, x: H.add_diagonal(x[0]).trace(), lambda D, x: np.trace(D) + 5 * x[0]),
        (lambda H, x: (H * x[0]).inner(H), lambda D, x: x[0] * np.sum(D * D)),
        (lambda H, x: (x @ H) @ x, lambda D, x: x @ D @ x),
    ]
    for structured, dense in uses:
        ours, theirs = of(structured, True), of(dense, False)
        close(ours(X), theirs(X))
        close(wg.grad(ours)(X), wg.grad(theirs)(X))
        close(wg.compile(ours)(X), theirs(X))
        close(wg.vmap(ours)(np.stack([X, X + 1])), [theirs(X), theirs(X + 1)])


def test_a_compiled_function_gives_structured_arrays() -> None:
    compiled = wg.compile(wg.hessian(KINDS["diagonal plus rank 1"], structured=True))
    for x in (X, X + 1):
        H = compiled(x)
        assert isinstance(H, StructuredArray)
        close(H.to_dense(), wg.hessian(KINDS["diagonal plus rank 1"])(x))


def test_a_known_array_times_a_traced_vector() -> None:
    H = hessian(KINDS["diagonal plus rank 1"])
    D = H.to_dense()
    close(wg.grad(lambda v: np.sum(H @ v))(X), D.sum(axis=0))
    close(wg.grad(H.quadratic)(X), 2 * D @ X)
    close(wg.jacobian(lambda v: H @ v)(X), D)


@pytest.mark.parametrize("name", ["slogdet", "logdet", "inverse", "cholesky", "eigvalsh",
                                  "to_scipy_sparse"])  # fmt: skip
def test_what_is_not_traced_says_so(name: str) -> None:
    f = KINDS["diagonal"]
    with pytest.raises(wg.TracingError, match="to_dense"):
        wg.grad(lambda x: np.sum(getattr(wg.hessian(f, structured=True)(x), name)()))(X)
    H = hessian(f)
    with pytest.raises(wg.TracingError, match="to_dense"):
        wg.grad(lambda b: np.sum(H.solve(b)))(X)
    close(wg.grad(lambda b: np.sum(np.linalg.solve(H.to_dense(), b)))(X), 1 / H.diagonal())


def test_a_batch_of_structured_arrays_is_refused() -> None:
    with pytest.raises(wg.ShapeError, match="vmap"):
        wg.vmap(wg.hessian(KINDS["diagonal"], structured=True))(np.ones((3, 5)))


# ------------------------------------------------------------------ computed indices, many terms


def test_indices_that_are_computed() -> None:
    for f in (np.sort, lambda x: x[np.argsort(x)] ** 2, lambda x: x[np.argmax(x)] * x):
        H = wg.jacobian(f, structured=True)
        for x in (X, X[::-1].copy(), -X):
            assert_close(H(x).to_dense(), wg.jacobian(f)(x))
            assert_close(H(x) @ X, wg.jacobian(f)(x) @ X)
            assert_close(wg.compile(H)(x).to_dense(), wg.jacobian(f)(x))
    assert wg.jacobian(np.sort, structured=True)(np.arange(50.0)).nbytes < 50 * 50 * 8


def test_more_terms_than_are_kept_apart() -> None:
    """Beyond the caps a derivative is dense, never wrong."""
    rng = np.random.default_rng(0)
    W = rng.standard_normal((90, 5))
    x = rng.standard_normal(5)
    places = [(int(a), int(b)) for a, b in rng.integers(0, 5, (90, 2))]

    def f(x: Any) -> Any:
        return sum(x[a] * x[b] ** 2 + np.sin(W[k] @ x) for k, (a, b) in enumerate(places))

    assert_close(hessian(f, x).to_dense(), wg.hessian(f)(x))

    def g(x: Any) -> Any:
        for k in range(6):
            x = x + 0.1 * np.concatenate([x[k % 5 :], x[: k % 5]]) * x
        return np.sum(x)

    assert_close(hessian(g, x).to_dense(), wg.hessian(g)(x))


# ------------------------------------------------------------------ room


def _peak(call: Callable[[], Any]) -> int:
    call()  # programs and layouts are kept
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


N = 10_000
_RNG = np.random.default_rng(0)
_FROM = _RNG.integers(0, N - 5, 3 * N)
_TO = _FROM + _RNG.integers(1, 5, 3 * N)
_V = _RNG.standard_normal((300, 3))
LARGE: dict[str, tuple[Callable[[Any], Any], Any]] = {
    "diagonal": (lambda x: np.sum(x**4), np.linspace(1, 2, N)),
    "diagonal plus rank 1": (
        lambda x: np.sum(x**4) + np.sum(x) ** 2,
        np.linspace(1, 2, N),
    ),
    "Kronecker": (lambda U: np.sum((U @ _V.T) ** 2), np.ones((N // 2, 3))),
    "banded": (lambda x: np.sum(np.diff(x) ** 4) + np.sum(x**2), np.linspace(0, 3, N) ** 2),
    "index-sparse": (
        lambda x: np.sum((x[_FROM] - x[_TO]) ** 4) + np.sum(x**2),
        np.linspace(0, 3, N),
    ),
    "blocks": (lambda x: np.sum(np.log(np.sum(np.exp(x), axis=1))) + np.sum(x**2),
               np.ones((N // 4, 4))),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_nothing_near_the_dense_size_is_allocated(name: str) -> None:
    f, x = LARGE[name]
    make = wg.hessian(f, structured=True)
    H = make(x)
    dense = 8 * x.size**2
    most = dense / 20
    assert H.nbytes < dense / 100
    calls: dict[str, Callable[[], Any]] = {
        "derivative": lambda: make(x), "@": lambda: H @ x, "diagonal": H.diagonal,
        "trace": H.trace, "T": lambda: H.T, "+": lambda: H + H, "slice": lambda: H[3],
        "quadratic": lambda: H.quadratic(x), "norm": H.norm, "add_diagonal":
        lambda: H.add_diagonal(1.0), "sparse": H.to_scipy_sparse,
        "solve": lambda: H.add_diagonal(1.0).solve(x),
        "logdet": lambda: H.add_diagonal(1.0).logdet(),
        "cg": lambda: H.add_diagonal(100.0).solve(x, method="cg"),
    }  # fmt: skip
    if "rank" in name:
        del calls["sparse"]  # a low rank has no zeros
    for what, call in calls.items():
        peak = _peak(call)
        assert peak < most, f"{what}: {peak:,} bytes of {dense:,}"
    R = H.add_diagonal(1.0)
    assert_close(R @ R.solve(x), x, R.factors.method, 1e-8)
