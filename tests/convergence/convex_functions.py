"""Functions whose convexity is known: atoms of convex programming, losses, and ones that are not.

Verdicts are facts of the literature (Boyd and Vandenberghe 2004, sections 3.1 to 3.5; the atoms of
CVXPY). Data are drawn once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

Function = Callable[[Any], Any]

_rng = np.random.default_rng(11)
X = _rng.normal(size=(7, 3))
Y = _rng.normal(size=7)
LABELS = np.where(Y > 0, 1.0, -1.0)
SQUARE = X.T @ X
MIXED = np.diag([1.0, -1.0, 2.0])
WEIGHTS = np.abs(_rng.normal(size=3))
CLASSES = np.arange(7) % 3
T = _rng.normal(size=(4, 3))
x3 = np.array([0.7, 1.3, 0.4])
KNOTS = np.array([0.2, 0.9, 0.5])


@dataclass(frozen=True)
class Known:
    """A function of one pytree, and what it is."""

    name: str
    function: Function
    theta: Any
    verdict: str

    def __str__(self) -> str:
        return self.name


def _of(verdict: str, theta: Any, functions: dict[str, Function]) -> list[Known]:
    return [Known(name, f, theta, verdict) for name, f in functions.items()]


AFFINE = _of("affine", x3, {
    "a number": lambda x: 3.0 + 0.0 * x[0],
    "inner product": lambda x: WEIGHTS @ x,
    "sum of a linear map": lambda x: np.sum(X @ x - Y),
    "difference": lambda x: x[0] - 2 * x[1] + 1,
    "mean": np.mean,
    "last of a running sum": lambda x: np.cumsum(x)[-1],
    "trace of a matrix": lambda x: np.trace(np.diag(x) @ SQUARE),
    "solution of a linear system": lambda x: np.sum(np.linalg.solve(SQUARE, x)),
    "cancelling squares": lambda x: x @ x - x @ x + x[0],
})  # fmt: skip

CONVEX = _of("convex", x3, {
    # ---- quadratics
    "least squares in part": lambda x: (X[0] @ x - 1) ** 2,
    "XᵀX without X": lambda x: x @ np.diag([1.0, 0.0, 2.0]) @ x,
    "quadratic form of a square": lambda x: x @ (X[:2].T @ X[:2]) @ x,
    "one square": lambda x: x[0] ** 2 + x[1],
    "square of a sum": lambda x: np.sum(x) ** 2,
    "expanded square": lambda x: x[0] ** 2 + 2 * x[0] * x[1] + x[1] ** 2,
    "variance": np.var,
    "differences": lambda x: np.sum(np.diff(x) ** 2),
    "square over linear": lambda x: x[0] ** 2 / np.exp(0.0) + x[1] ** 2,
    # ---- norms
    "norm": np.linalg.norm,
    "norm of residuals": lambda x: np.linalg.norm(X @ x - Y),
    "1-norm": lambda x: np.sum(np.abs(x)),
    "largest size": lambda x: np.max(np.abs(x)),
    "3-norm": lambda x: np.linalg.norm(x, 3),
    "3/2-norm": lambda x: np.linalg.norm(X @ x, 1.5),
    "standard deviation": np.std,
    "root of a sum of squares": lambda x: np.sqrt(x @ x + 1),
    "total variation": lambda x: np.sum(np.abs(np.diff(x))),
    "group lasso": lambda x: np.linalg.norm(x[:2]) + np.linalg.norm(x[2:]),
    "elastic net in part": lambda x: 0.5 * (X[0] @ x) ** 2 + np.sum(np.abs(x)),
    "root of a quadratic form": lambda x: np.sqrt(x @ (SQUARE + 1) @ x + 2 * x[0] + 30),
    "hypot": lambda x: np.hypot(x[0], x[1] - 1),
    # ---- maxima
    "largest entry": np.max,
    "largest of affine functions": lambda x: np.max(X @ x + Y),
    "maximum of two": lambda x: np.maximum(x[0], 2 * x[1]),
    "range": lambda x: np.max(x) - np.min(x),
    "hinge": lambda x: np.mean(np.maximum(0, 1 - LABELS * (X @ x))),
    "squared hinge": lambda x: np.mean(np.maximum(0, 1 - LABELS * (X @ x)) ** 2),
    "distance to an interval": lambda x: np.sum(np.maximum(0, np.maximum(x - 1, -x))),
    "tilted absolute value": lambda x: np.sum(np.maximum(0.3 * x, -0.7 * x)),
    # ---- exponentials, logarithms
    "exponential": lambda x: np.exp(x[0]),
    "sum of exponentials": lambda x: np.sum(np.exp(X @ x)),
    "exponential of a square": lambda x: np.exp(x[0] ** 2),
    "exponential of a norm": lambda x: np.exp(np.linalg.norm(X @ x)),
    "log-sum-exp": lambda x: special.logsumexp(X @ x),
    "log-sum-exp by hand": lambda x: np.log(np.sum(np.exp(x))),
    "log-sum-exp with weights": lambda x: np.log(WEIGHTS @ np.exp(x)),
    "log of 1 and exponentials": lambda x: np.log(1 + np.exp(x[0]) + np.exp(x[1] - x[2])),
    "log1p of exp": lambda x: np.sum(np.log1p(np.exp(x))),
    "logaddexp": lambda x: np.logaddexp(x[0], x[1]),
    "minus logarithm": lambda x: -np.sum(np.log(x)),
    "barrier": lambda x: -np.sum(np.log(5 - X @ x)),
    "log barrier of two sides": lambda x: -np.sum(np.log(1 - x) + np.log(1 + x)),
    "x log x": lambda x: np.sum(x * np.log(x)),
    "minus entropy": lambda x: -np.sum(special.entr(x)),
    "xlogy": lambda x: np.sum(special.xlogy(x, x)),
    "relative entropy": lambda x: np.sum(special.rel_entr(x, WEIGHTS)),
    "relative entropy in both": lambda x: np.sum(special.rel_entr(x[:1], x[1:2])),
    "Kullback-Leibler": lambda x: np.sum(special.kl_div(x[:1], x[1:2])),
    "product of exponentials": lambda x: np.exp(x[0]) * np.exp(2 * x[1]),
    "log cosh": lambda x: np.sum(np.log(np.cosh(x))),
    "log of gamma": lambda x: np.sum(special.loggamma(x)),
    # ---- powers
    "fourth powers": lambda x: np.sum(x**4),
    "square of a square": lambda x: (x @ x) ** 2,
    "power 3/2": lambda x: np.sum(x**1.5),
    "size to the 3/2": lambda x: np.sum(np.abs(x) ** 1.5),
    "minus root": lambda x: -np.sum(np.sqrt(x)),
    "inverse root": lambda x: np.sum(x**-0.5),
    "cube of a positive part": lambda x: np.sum(np.maximum(x, 0) ** 3),
    # ---- losses
    "logistic": lambda x: np.mean(np.log(1 + np.exp(-LABELS * (X @ x)))),
    "logistic by sigmoid": lambda x: -np.mean(np.log(1 / (1 + np.exp(-LABELS * (X @ x))))),
    "cross-entropy of 0 and 1": lambda x: -np.mean(
        (LABELS > 0) * np.log(special.expit(X @ x))
        + (LABELS < 0) * np.log(1 - special.expit(X @ x))
    ),
    "Poisson": lambda x: np.mean(np.exp(X @ x) - np.abs(Y) * (X @ x)),
    "Huber": lambda x: np.sum(special.huber(1.0, X @ x - Y)),
    "Huber by where": lambda x: np.sum(
        np.where(np.abs(X @ x - Y) <= 2.0, 0.5 * (X @ x - Y) ** 2, 2.0 * np.abs(X @ x - Y) - 2.0)
    ),
    "pseudo-Huber": lambda x: np.sum(special.pseudo_huber(1.5, X @ x - Y)),
    "quantile": lambda x: np.sum(np.where(X @ x > Y, 0.1 * (X @ x - Y), 0.9 * (Y - X @ x))),
    "leaky rectifier": lambda x: np.sum(np.where(x > 0, x, 0.1 * x)),
    "smooth hinge": lambda x: np.sum(
        np.where(x < 0, 0.5 - x, np.where(x < 1, 0.5 * (1 - x) ** 2, 0.0))
    ),
    "probit": lambda x: -np.sum(special.log_ndtr(LABELS * (X @ x))),
    "x² exp x²": lambda x: np.sum(x**2 * np.exp(x**2)),
    "softplus of a norm": lambda x: np.logaddexp(0, np.linalg.norm(x)),
    "exponential of a loss": lambda x: np.exp(np.mean(np.maximum(0, 1 - X @ x))),
    "|x| − log(1 + |x|)": lambda x: np.sum(np.abs(x) - np.log1p(np.abs(x))),
    "sum of the two largest": lambda x: np.sum(np.sort(x)[-2:]),
    "the largest less the least by sorting": lambda x: np.sort(x)[-1] - np.sort(x)[0],
    "weighted by rank": lambda x: np.sort(x) @ np.array([-1.0, 0.5, 2.0]),
})  # fmt: skip

CONVEX += [
    *_of("convex", T, {
        "nuclear norm": lambda W: np.sum(np.linalg.svd(W, compute_uv=False)),
        "largest singular value": lambda W: np.linalg.norm(W, 2),
        "Frobenius": np.linalg.norm,
        "largest row sum": lambda W: np.linalg.norm(W, np.inf),
        "softmax cross-entropy": lambda W: np.mean(
            special.logsumexp(X[:, :3] @ W.T, axis=1) - (X[:, :3] @ W.T)[np.arange(7), CLASSES]
        ),
        "softmax cross-entropy by softmax": lambda W: -np.mean(
            np.log(special.softmax(X[:, :3] @ W.T, axis=1)[np.arange(7), CLASSES])
        ),
        "softmax cross-entropy by log_softmax": lambda W: -np.mean(
            special.log_softmax(X[:, :3] @ W.T, axis=1)[np.arange(7), CLASSES]
        ),
        "rows' norms": lambda W: np.sum(np.linalg.norm(W, axis=1)),
        "multi-class hinge": lambda W: np.mean(
            np.max(1 + X[:, :3] @ W.T - (X[:, :3] @ W.T)[np.arange(7), CLASSES][:, None], axis=1)
        ),
    }),
    *_of("convex", x3, {
        "largest eigenvalue": lambda x: np.linalg.eigvalsh(
            x[0] * MIXED + x[1] * SQUARE + np.eye(3))[-1],
        "minus least eigenvalue": lambda x: -np.linalg.eigvalsh(
            x[0] * MIXED + x[1] * SQUARE + np.eye(3))[0],
    }),
]  # fmt: skip

STRONG = _of("strongly convex", x3, {
    "half of the square": lambda x: 0.5 * x @ x,
    "least squares": lambda x: np.mean((X @ x - Y) ** 2),
    "quadratic form": lambda x: x @ SQUARE @ x - Y[:3] @ x,
    "ridge": lambda x: np.sum((X[:2] @ x - Y[:2]) ** 2) + 0.1 * x @ x,
    "indefinite, with enough of the square": lambda x: x @ MIXED @ x + 1.5 * x @ x,
    "regularised logistic": lambda x: np.mean(np.logaddexp(0, -LABELS * (X @ x))) + 0.05 * x @ x,
    "elastic net": lambda x: np.sum(np.abs(x)) + 0.5 * x @ x,
    "regularised hinge": lambda x: np.mean(np.maximum(0, 1 - LABELS * (X @ x))) + x @ x,
    "sum of cosh": lambda x: np.sum(np.cosh(x)),
    "log-sum-exp and a square": lambda x: special.logsumexp(x) + 0.2 * np.sum(x**2),
    "entropy and a square": lambda x: np.sum(x * np.log(x)) + x @ x,
    "x² + exp": lambda x: np.sum(x**2 + np.exp(x)),
    "difference to a point": lambda x: np.linalg.norm(x - KNOTS) ** 2,
})  # fmt: skip

_UV = {"U": _rng.normal(size=(4, 2)), "V": _rng.normal(size=(3, 2))}
_NET = {"W": _rng.normal(size=(3, 2)), "v": _rng.normal(size=2)}

NONCONVEX = [
    *_of("nonconvex", x3, {
        "product of two": lambda x: x[0] * x[1],
        "indefinite form": lambda x: x @ MIXED @ x,
        "minus squares": lambda x: -np.sum((X @ x) ** 2),
        "sine": lambda x: np.sum(np.sin(x)),
        "cube": lambda x: np.sum(x**3),
        "root of a form that is negative somewhere": lambda x: np.sqrt(x @ x - 0.5),
        "double well": lambda x: np.sum(x**4 - x**2),
        "Rosenbrock": lambda x: 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2,
        "least entry": np.min,
        "concave root": lambda x: np.sum(np.sqrt(x)),
        "logarithm": lambda x: np.sum(np.log(x)),
        "sigmoid": lambda x: np.mean(special.expit(X @ x)),
        "squared loss of a sigmoid": lambda x: np.mean((special.expit(X @ x) - (Y > 0)) ** 2),
        "tanh": lambda x: np.sum(np.tanh(x)),
        "ramp": lambda x: np.sum(np.clip(x, 0, 1)),
        "concave kink by where": lambda x: np.sum(np.where(x > 0, 0.1 * x, x)),
        "jump": lambda x: np.sum(np.where(x > 0, 1.0, 0.0)),
        "swish": lambda x: np.sum(x * special.expit(x)),
        "gelu": lambda x: np.sum(x * special.ndtr(x)),
        "log of a square": lambda x: np.sum(np.log(1 + x**2)),
        "size to the 1/2": lambda x: np.sum(np.abs(x) ** 0.5),
        "norm of squares": lambda x: np.linalg.norm(x**2 - 1),
        "norm less norm": lambda x: np.linalg.norm(x) - np.linalg.norm(x, 1),
        "phase retrieval": lambda x: np.mean(((X @ x) ** 2 - 1) ** 2),
        "Cauchy loss": lambda x: np.sum(np.log1p((X @ x - Y) ** 2)),
        "Tukey's biweight": lambda x: np.sum(
            np.where(np.abs(x) < 1, 1 - (1 - x**2) ** 3, 1.0)
        ),
        "Gaussian": lambda x: -np.exp(-x @ x),
        "quotient": lambda x: x[0] / (1 + x[1] ** 2),
        "Rayleigh quotient": lambda x: x @ MIXED @ x / (x @ x),
        "determinant": lambda x: x[0] * x[1] - x[2] ** 2,
        "product of sums": lambda x: (x[0] + x[1]) * (x[1] - x[2]),
        "exp of a product": lambda x: np.exp(x[0] * x[1]),
        "second largest": lambda x: np.sort(x)[1],
        "product of three": np.prod,
        "log-sum-exp less maximum": lambda x: special.logsumexp(x) - np.max(x),
        "entropy": lambda x: np.sum(special.entr(x)),
        "difference of squares": lambda x: x[0] ** 2 - x[1] ** 2,
        "reciprocal": lambda x: np.sum(1 / x),
        "distance of a square": lambda x: np.abs(x[0] ** 2 - 1),
        "rounded": lambda x: np.sum(np.floor(x)) + x @ x,
        "minimum of two squares": lambda x: np.minimum((x[0] - 1) ** 2, (x[0] + 1) ** 2),
        "logistic of wrong sign": lambda x: -np.mean(np.logaddexp(0, X @ x)),
        "mixture": lambda x: -np.log(np.exp(-(x[0] ** 2)) + np.exp(-((x[0] - 4) ** 2))),
    }),
    *_of("nonconvex", _UV, {
        "matrix factorisation": lambda p: np.sum((T - p["U"] @ p["V"].T) ** 2),
        "with a regulariser": lambda p: np.sum((T - p["U"] @ p["V"].T) ** 2)
        + 0.01 * (np.sum(p["U"] ** 2) + np.sum(p["V"] ** 2)),
    }),
    *_of("nonconvex", _NET, {
        "network": lambda p: np.mean((np.tanh(X @ p["W"]) @ p["v"] - Y) ** 2),
        "rectifier network": lambda p: np.mean((np.maximum(X @ p["W"], 0) @ p["v"] - Y) ** 2),
        "network with the logistic loss": lambda p: np.mean(
            np.logaddexp(0, -LABELS * (np.tanh(X @ p["W"]) @ p["v"]))
        ),
        "linear network": lambda p: np.mean((X @ p["W"] @ p["v"] - Y) ** 2),
    }),
    *_of("nonconvex", T, {
        "PCA": lambda W: -np.sum((X[:, :3] @ W.T) ** 2),
        "least singular value": lambda W: np.linalg.norm(W, -2),
        "minus log of the size of a determinant": lambda W: -np.linalg.slogdet(W[:3])[1],
        "orthogonality": lambda W: np.sum((W.T @ W - np.eye(3)) ** 2),
    }),
]  # fmt: skip

KNOWN = [*AFFINE, *CONVEX, *STRONG, *NONCONVEX]
