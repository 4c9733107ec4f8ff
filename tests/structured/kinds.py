"""Random functions of every kind of structure, with what the structure has to store by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

import wengert as wg
from structured.support import Problem

Strategy = Callable[..., Any]

# Elementwise functions whose derivatives are nowhere zero on (0.2, 2).
SMOOTH: dict[str, Callable[[Any], Any]] = {
    "power": lambda x: x**4,
    "exp": np.exp,
    "sin": lambda x: np.sin(0.5 * x) * x,
    "log": lambda x: x * np.log(x + 1.0),
    "chain": lambda x: np.tanh(x) ** 2 + np.exp(-x),
}
smooth = st.sampled_from(list(SMOOTH)).map(SMOOTH.__getitem__)
seeds = st.integers(0, 10_000).map(np.random.default_rng)


def shapes(low: int = 0, high: int = 3, most: int = 4, least: int = 1) -> st.SearchStrategy[Any]:
    """Shapes of rank ``low`` to ``high``."""
    return st.lists(st.integers(least, most), min_size=low, max_size=high).map(tuple)


def positive(rng: Any, shape: Any) -> Any:
    return rng.uniform(0.2, 2.0, shape)


# ------------------------------------------------------------------ diagonals and blocks


@st.composite
def diagonal(draw: Any) -> Problem:
    """Σ c g(x), or g(x) itself, of arrays of any rank, sizes 0 and 1 included."""
    g, rng = draw(smooth), draw(seeds)
    x = positive(rng, draw(shapes(0, 3, 3, 0)))
    c = positive(rng, x.shape)
    kind = ("diagonal",) if x.size > 1 and x.ndim else ()
    if draw(st.booleans()):
        return Problem(lambda x: c * g(x), x, 1, x.size, kind)
    return Problem(lambda x: np.sum(c * g(x)), x, 2, x.size, kind)


@st.composite
def scaled_identity(draw: Any) -> Problem:
    rng = draw(seeds)
    x = rng.standard_normal(draw(shapes(1, 3, 3)))
    c = float(positive(rng, ()))
    kind = ("scaled identity",) if x.size > 1 else ()
    if draw(st.booleans()):
        return Problem(lambda x: c * x, x, 1, 1, kind if min(x.shape) > 1 else ())
    return Problem(lambda x: c * np.sum(x**2), x, 2, 1, kind if min(x.shape) > 1 else ())


@st.composite
def batch(draw: Any) -> Problem:
    """A function of each line: blocks along the batch axes."""
    rng = draw(seeds)
    b, n = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    x = positive(rng, (b, n))
    A = rng.standard_normal((b, n, n))
    W = rng.standard_normal((n, n))
    functions: list[tuple[Callable[[Any], Any], int, int]] = [
        (lambda x: np.sum(np.einsum("bi,bij,bj->b", x, A, x) ** 2), 2, b * n * n),
        (lambda x: np.sum(np.log(np.sum(np.exp(x), axis=1))), 2, b * n * (n + 1)),
        (lambda x: np.sum(np.prod(x, axis=1) ** 2), 2, b * n * n + b * n),
        (lambda x: np.tanh(x @ W), 1, n * n + b * n),
        (lambda x: np.einsum("bij,bj->bi", A, x), 1, b * n * n),
        (lambda x: np.sum(x**2, axis=1) ** 2, 1, b * n),
    ]
    f, order, most = draw(st.sampled_from(functions))
    return Problem(f, x, order, most)


# ------------------------------------------------------------------ Kronecker products


@st.composite
def kronecker_identity(draw: Any) -> Problem:
    """Matrix factorisation, matrix products, KᵀK: one stored matrix, copied along an identity."""
    rng = draw(seeds)
    n, k, m = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    U, V, T = (rng.standard_normal(s) for s in ((n, k), (m, k), (n, m)))
    square = rng.standard_normal((k, k))
    problems = [
        Problem(lambda U: np.sum((T - U @ V.T) ** 2), U, 2, k * k),
        Problem(lambda U: U @ V.T, U, 1, m * k),
        Problem(lambda U: T.T @ U, U, 1, m * n),
        Problem(lambda U: np.trace(U @ square @ U.T), U, 2, k * k),
        Problem(lambda U: U.T @ U, U, 1, n * k),
        Problem(lambda U: np.sum((U @ square) ** 2), U, 2, k * k),
        Problem(lambda U: U.T, U, 1, 1),
        Problem(lambda U: np.sum(U**2, axis=0), U, 1, n * k),
    ]
    return draw(st.sampled_from(problems))


@st.composite
def kronecker(draw: Any) -> Problem:
    """Two matrices on axes of their own: A X B, log-determinants, inverses."""
    rng = draw(seeds)
    n, m = draw(st.integers(2, 4)), draw(st.integers(2, 4))
    A, B, X = (rng.standard_normal(s) for s in ((n, n), (m, m), (n, m)))
    S = A + 3 * n * np.eye(n)
    problems = [
        Problem(lambda X: A @ X @ B, X, 1, n * n + m * m),
        Problem(lambda X: np.trace(A @ X @ B @ X.T), X, 2, 2 * (n * n + m * m)),
        Problem(lambda X: np.sum((A @ X @ B) ** 2), X, 2, n * n + m * m),
        Problem(lambda S: np.linalg.slogdet(S)[1], S, 2, 2 * n * n),
        Problem(np.linalg.inv, S, 1, 2 * n * n),
        Problem(lambda S: S @ A @ S, S, 1, 2 * n * n),
    ]
    return draw(st.sampled_from(problems))


# ------------------------------------------------------------------ low rank


@st.composite
def low_rank(draw: Any) -> Problem:
    """g(W x) with W of few rows."""
    g, rng = draw(smooth), draw(seeds)
    n, r = draw(st.integers(3, 9)), draw(st.integers(1, 2))
    x = rng.standard_normal(n)
    W = positive(rng, (r, n))
    x = np.abs(x)
    most = 2 * n * r if 4 * r <= n else n * n
    return Problem(lambda x: np.sum(g(0.1 * (W @ x) + 0.3)), x, 2, most)


@st.composite
def diagonal_plus_low_rank(draw: Any) -> Problem:
    g, rng = draw(smooth), draw(seeds)
    n = draw(st.integers(1, 9))
    x, a = positive(rng, n), rng.standard_normal(n)
    problems = [
        Problem(lambda x: np.log(np.sum(np.exp(x))), x, 2, 3 * n),
        Problem(lambda x: np.sum(g(x)) + (a @ x) ** 2, x, 2, 3 * n),
        Problem(lambda x: np.exp(x) / np.sum(np.exp(x)), x, 1, 3 * n),
        Problem(lambda x: x / np.sqrt(np.sum(x**2)), x, 1, 3 * n),
        Problem(lambda x: np.sum(x**2) ** 2, x, 2, 2 * n + 1),
        Problem(lambda x: np.sqrt(np.sum(x**2)), x, 2, 2 * n + 1),
        Problem(lambda x: np.sum(g(x)) ** 2, x, 2, 5 * n, (), False),
    ]
    return draw(st.sampled_from(problems))


@st.composite
def symmetric(draw: Any) -> Problem:
    rng = draw(seeds)
    n = draw(st.integers(1, 6))
    A, x = rng.standard_normal((n, n)), rng.standard_normal(n)
    S = A @ A.T + np.eye(n)
    problems = [
        Problem(lambda x: x @ A @ x, x, 2, n * n),
        Problem(lambda x: x @ S @ x, x, 2, n * n),
        Problem(lambda x: np.log1p(x @ S @ x), x, 2, n * n),
        Problem(lambda S: S + S.T, S, 1, 2),
    ]
    return draw(st.sampled_from(problems))


# ------------------------------------------------------------------ bands


@st.composite
def banded(draw: Any) -> Problem:
    """Differences and convolutions: as many numbers as there are in the band."""
    g, rng = draw(smooth), draw(seeds)
    n, w = draw(st.integers(4, 12)), draw(st.integers(1, 3))
    x, kernel = positive(rng, n), positive(rng, w)
    wide = (2 * w - 1) * n + n
    problems = [
        Problem(lambda x: np.sum(g(np.diff(x) ** 2 + 0.3)), x, 2, 3 * n),
        Problem(lambda x: g(x[1:] * x[:-1]), x, 1, 2 * n),
        Problem(lambda x: np.convolve(x, kernel, "valid"), x, 1, w * n),
        Problem(lambda x: g(np.convolve(x, kernel) + 0.1), x, 1, w * (n + w), (), False),
        Problem(lambda x: np.sum(g(np.convolve(x, kernel, "valid"))), x, 2, wide),
        Problem(lambda x: np.sum(g(x[2:] + x[:-2])), x, 2, 4 * n),
        Problem(lambda x: np.diff(x, 2), x, 1, 3),
        Problem(lambda x: np.sum(x[1:] ** 2 * x[:-1]), x, 2, 4 * n),
        Problem(lambda x: np.roll(x, 1) * x, x, 1, 2 * n + 1),
        Problem(lambda x: x[::-1] * x, x, 1, 2 * n),
        Problem(lambda x: g(np.pad(x, w) + 0.3), x, 1, n),
    ]
    return draw(st.sampled_from(problems))


# ------------------------------------------------------------------ indices


@st.composite
def row_sparse(draw: Any) -> Problem:
    """Entries and rows that are taken or put, with repeats, negative places and none at all."""
    g, rng = draw(smooth), draw(seeds)
    n, m, d = draw(st.integers(1, 5)), draw(st.integers(0, 6)), draw(st.integers(1, 3))
    i = rng.integers(-n, n, m)
    x, X = positive(rng, n), positive(rng, (n, d))
    w = positive(rng, d)
    problems = [
        Problem(lambda x: x[i], x, 1, 1),
        Problem(lambda x: g(x[i]), x, 1, m),
        Problem(lambda X: X[i], X, 1, 1),
        Problem(lambda X: g(X[i] @ w), X, 1, m * d + d),
        Problem(lambda x: np.sum(g(x[i])), x, 2, n),
        Problem(lambda x: x[-1], x, 1, 1),
        Problem(lambda X: X[i, 0] ** 2, X, 1, m),
        Problem(lambda X: np.sum(g(X[i])), X, 2, n * d),
        Problem(lambda x: wg.at(np.zeros(n))[i[:n]].add(g(x)[: len(i[:n])]), x, 1, n),
        Problem(lambda X: X[:, ::-1], X, 1, 1),
    ]
    return draw(st.sampled_from(problems))


@st.composite
def index_sparse(draw: Any) -> Problem:
    """Edges of a random graph, and rows that meet in the residuals of an adjustment."""
    g, rng = draw(smooth), draw(seeds)
    n, e, d = draw(st.integers(2, 6)), draw(st.integers(1, 8)), draw(st.integers(1, 2))
    i, j = rng.integers(0, n, e), rng.integers(0, n, e)
    x, X = positive(rng, n), positive(rng, (n, d))
    problems = [
        Problem(lambda x: np.sum(g((x[i] - x[j]) ** 2 + 0.3)), x, 2, 4 * e + n),
        Problem(lambda x: g(x[i] * x[j]), x, 1, 2 * e),
        Problem(lambda x: np.sum(x[i] * x[j]), x, 2, 2 * e + n),
        Problem(lambda X: np.sum((X[i] - X[j]) ** 2, axis=1), X, 1, 2 * e * d),
        Problem(
            lambda X: np.sum(g(np.sum(X[i] * X[j], axis=1) + 0.3)),
            X,
            2,
            2 * e * (1 + 2 * d) + 4 * e * d * d + 1,
        ),
        Problem(lambda x: wg.at(np.zeros(n))[i].add(g(x[j])), x, 1, e + n),
    ]
    return draw(st.sampled_from(problems))


# ------------------------------------------------------------------ any rank, any order, mixtures


@st.composite
def of_any_rank(draw: Any) -> Problem:
    """Jacobians of tensors by tensors, rows and columns of different ranks."""
    g, rng = draw(smooth), draw(seeds)
    a, b, c = (draw(st.integers(1, 3)) for _ in range(3))
    x, y, z = positive(rng, (a, b, c)), positive(rng, (a, b)), positive(rng, a)
    A = rng.standard_normal((c, a))
    problems = [
        Problem(lambda y: np.einsum("ij,k->kij", y, z), y, 1, a),
        Problem(lambda z: np.einsum("i,j->ij", g(z), z), z, 1, 3 * a),
        Problem(lambda x: np.einsum("ijk,kl->ijl", x, A), x, 1, a * c),
        Problem(lambda x: np.transpose(x, (2, 0, 1)), x, 1, 1),
        Problem(lambda x: x.reshape(a * b, c) ** 2, x, 1, a * b * c),
        Problem(lambda x: np.reshape(x, (c * b, a)), x, 1, 1),
        Problem(lambda x: g(x).ravel(), x, 1, a * b * c),
        Problem(lambda x: np.sum(x, axis=1), x, 1, 1),
        Problem(lambda z: np.broadcast_to(g(z), (2, b, a)), z, 1, a),
        Problem(np.diag, z, 1, 1),
        Problem(lambda x: np.sum(x**2), x, 1, a * b * c),
        Problem(lambda x: x[:, None, ..., 0] ** 2, x, 1, a * b),
        Problem(lambda x: np.concatenate([x, g(x)], axis=1), x, 1, 2 * a * b * c),
        Problem(lambda z: np.stack([z, z**2], axis=1), z, 1, 2 * a),
        Problem(lambda z: np.sum(z) ** 2, z, 1, 1),
        Problem(lambda y: np.kron(y, np.eye(2)), y, 1, 4),
        Problem(lambda y: np.tril(y @ y.T), y, 1, 2 * (a * a * b)),
    ]
    return draw(st.sampled_from(problems))


@st.composite
def third(draw: Any) -> Problem:
    """Third derivatives."""
    g, rng = draw(smooth), draw(seeds)
    n, k = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    x, U = positive(rng, n), positive(rng, (n, k))
    V, i = positive(rng, (2, k)), rng.integers(0, n, 3)
    problems = [
        Problem(lambda x: np.sum(g(x)), x, 3, n),
        Problem(g, x, 2, n),
        Problem(g, x, 3, n),
        Problem(lambda x: np.sum(x**2) ** 2, x, 3, 4 * n),
        Problem(lambda x: np.sum(x[1:] ** 2 * x[:-1] ** 2), x, 3, 8 * n),
        Problem(lambda x: np.log(np.sum(np.exp(x))), x, 3, n**3),
        Problem(lambda U: np.sum((U @ V.T) ** 3), U, 3, n * k**3),
        Problem(lambda x: g(x[i]), x, 2, 3),
        Problem(lambda x: np.sum(g(x[i])), x, 3, n),
        Problem(lambda U: U.T @ U, U, 2, 2),
        Problem(np.sum, x, 2, 1),
    ]
    return draw(st.sampled_from(problems))


@st.composite
def mixture(draw: Any) -> Problem:
    """A sum of scalar functions of several kinds, a square of one, one inside another."""
    g, rng = draw(smooth), draw(seeds)
    n = draw(st.integers(2, 6))
    x, a = positive(rng, n), rng.standard_normal(n)
    i, j = rng.integers(0, n, 4), rng.integers(0, n, 4)
    parts: list[Callable[[Any], Any]] = [
        lambda x: np.sum(g(x)),
        lambda x: 3 * np.sum(x**2),
        lambda x: np.log(np.sum(np.exp(x))),
        lambda x: (a @ x) ** 2,
        lambda x: np.sum(np.diff(x) ** 4),
        lambda x: np.sum(x[i] * x[j]),
        lambda x: np.sum(g((x[i] - x[j]) ** 2 + 0.4)),
        lambda x: x[0] * x[-1],
        lambda x: np.sum(np.convolve(x, a[:2]) ** 3),
    ]
    chosen = draw(st.lists(st.sampled_from(parts), min_size=2, max_size=3))

    def total(x: Any) -> Any:
        return sum(f(x) for f in chosen)

    most = n * n + 40 * n
    form = draw(st.sampled_from(["sum", "square", "inside", "batched"]))
    if form == "square":
        return Problem(lambda x: total(x) ** 2, x, 2, most, (), False)
    if form == "inside":
        return Problem(lambda x: total(0.5 * g(x)), x, 2, most, (), False)
    if form == "batched":
        X = positive(rng, (2, n))
        return Problem(lambda X: total(X[0]) * np.sum(X[1] ** 2), X, 2, None, (), False)
    return Problem(total, x, 2, most, (), False)


KINDS: dict[str, Strategy] = {
    "diagonal": diagonal,
    "scaled identity": scaled_identity,
    "batch": batch,
    "Kronecker with an identity": kronecker_identity,
    "Kronecker product": kronecker,
    "low rank": low_rank,
    "diagonal plus low rank": diagonal_plus_low_rank,
    "symmetric": symmetric,
    "banded": banded,
    "row-sparse": row_sparse,
    "index-sparse": index_sparse,
    "of any rank": of_any_rank,
    "third derivatives": third,
    "mixtures": mixture,
}
