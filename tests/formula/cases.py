"""Formulas with what they mean in NumPy, written by hand, and values for their variables."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import special

RNG = np.random.default_rng(20)
VALUES: dict[str, Any] = {
    "a": 1.3,
    "b": 0.4,
    "c": -0.7,
    "w": RNG.normal(size=3),
    "x": RNG.uniform(0.2, 2.0, size=3),
    "y": RNG.normal(size=4),
    "z": RNG.uniform(0.2, 2.0, size=3),
    "X": RNG.normal(size=(4, 3)),
    "Y": RNG.normal(size=(4, 3)),
    "A": RNG.normal(size=(3, 3)) + 3 * np.eye(3),
    "B": RNG.normal(size=(3, 3)),
    "T": RNG.normal(size=(2, 4, 3)),
}
SHAPES = {"T": "tensor3"}
V = SimpleNamespace(**VALUES)


def softmax(x: Any, axis: int | None = None) -> Any:
    return special.softmax(x, axis=axis)


CASES: dict[str, Callable[[], Any]] = {
    "norm2(X*w - y)^2": lambda: np.linalg.norm(V.X @ V.w - V.y) ** 2,
    "0.5*x'*A*x": lambda: 0.5 * V.x @ V.A @ V.x,
    "A*exp(x)": lambda: V.A @ np.exp(V.x),
    "(x.*w)'*z": lambda: np.sum(V.x * V.w * V.z),
    "a^b": lambda: V.a**V.b,
    "norm1(X*w - y)": lambda: np.abs(V.X @ V.w - V.y).sum(),
    "norm1(X, 0)": lambda: np.abs(V.X).sum(axis=0),
    "norm2(X, axis=1)": lambda: np.linalg.norm(V.X, axis=1),
    "norminf(X, 0)": lambda: np.abs(V.X).max(axis=0),
    "norminf(X)": lambda: np.abs(V.X).max(),
    "norm2(X)": lambda: np.linalg.norm(V.X),
    "norm2(c)": lambda: abs(V.c),
    "sum(log(exp(-y.*(X*w)) + vector(1)))": lambda: np.log(np.exp(-V.y * (V.X @ V.w)) + 1).sum(),
    "tr(A*X'*Y*B)": lambda: np.trace(V.A @ V.X.T @ V.Y @ V.B),
    "log(det(A'*A))": lambda: np.log(np.linalg.det(V.A.T @ V.A)),
    "log(abs(det(inv(A))))": lambda: -np.linalg.slogdet(V.A)[1],
    "logdet(A'*A)": lambda: np.linalg.slogdet(V.A.T @ V.A)[1],
    "inv(A)*w": lambda: np.linalg.solve(V.A, V.w),
    "solve(A, w)": lambda: np.linalg.solve(V.A, V.w),
    "solve(A, B)": lambda: np.linalg.solve(V.A, V.B),
    "A*pinv(A)": lambda: np.eye(3),
    "pinv(X)": lambda: np.linalg.inv(V.X.T @ V.X) @ V.X.T,
    "adj(A)": lambda: np.linalg.det(V.A) * np.linalg.inv(V.A),
    "tr(c) + det(b) + logdet(a)": lambda: V.c + V.b + np.log(V.a),
    "inv(a)*matpow(a, 3)": lambda: V.a**2,
    "A^2": lambda: V.A @ V.A,
    "A⁻²": lambda: np.linalg.inv(V.A @ V.A),
    "A^0": lambda: np.eye(3),
    "matpow(A, 3)": lambda: V.A @ V.A @ V.A,
    "x*y'": lambda: np.outer(V.x, V.y),
    "y'*X": lambda: V.X.T @ V.y,
    "y'*X*w": lambda: V.y @ V.X @ V.w,
    "x'": lambda: V.x,
    "X'": lambda: V.X.T,
    "(2*a)'": lambda: 2 * V.a,
    "outer(x, y)": lambda: np.outer(V.x, V.y),
    "dot(x, w')": lambda: V.x @ V.w,
    "2.*x - w/a": lambda: 2 * V.x - V.w / V.a,
    "1./x + x./w": lambda: 1 / V.x + V.x / V.w,
    "2.^x + x.^2 + x.^w": lambda: 2**V.x + V.x**2 + V.x**V.w,
    "x.^(1/2) - sqrt(x)": lambda: np.zeros(3),
    "-x.^2": lambda: -(V.x**2),
    "1 + X - a": lambda: 1 + V.X - V.a,
    "X + y*vector(1)'": lambda: V.X + V.y[:, None],
    "X - matrix(2) + vector(1)*w'": lambda: V.X - 2 + V.w,
    "A + 2*eye": lambda: V.A + 2 * np.eye(3),
    "eye(3)*x + vector(a, 3)": lambda: V.x + V.a,
    "sum(X)": V.X.sum,
    "sum(X, 0) + sum(X', axis=1)": lambda: 2 * V.X.sum(axis=0),
    "mean(X, axis=-1)": lambda: V.X.mean(axis=1),
    "mean(x)": V.x.mean,
    "prod(X, 0)": lambda: V.X.prod(axis=0),
    "max(X) - min(X)": lambda: V.X.max() - V.X.min(),
    "max(X, axis=0)": lambda: V.X.max(axis=0),
    "sum(a) + mean(a) + prod(a) + max(a) + logsumexp(a)": lambda: 5 * V.a,
    "logsumexp(X, 1)": lambda: special.logsumexp(V.X, axis=1),
    "logsumexp(1000*x)": lambda: special.logsumexp(1000 * V.x),
    "softmax(x)": lambda: softmax(V.x),
    "softmax(X)": lambda: softmax(V.X, 1),
    "softmax(X, 0)": lambda: softmax(V.X, 0),
    "maximum(x, 1) + minimum(x, w)": lambda: np.maximum(V.x, 1) + np.minimum(V.x, V.w),
    "diag(x)*diag(A)": lambda: V.x * np.diag(V.A),
    "vec(X)": V.X.T.ravel,
    "kron(A, X)": lambda: np.kron(V.A, V.X),
    "kron(x, y)": lambda: np.kron(V.x, V.y),
    "vec(x*y') - kron(y, x)": lambda: np.zeros(12),
    "vec(A*B) - kron(B', eye)*vec(A)": lambda: np.zeros(9),
    'einsum("ijk,k->ij", T, x)': lambda: V.T @ V.x,
    'einsum("ijk,jk", T, X)': lambda: np.einsum("ijk,jk->i", V.T, V.X),
    'einsum("ii", A)': lambda: np.trace(V.A),
    'einsum("i,j,k->kji", x, y, w)': lambda: np.multiply.outer(V.w, np.multiply.outer(V.y, V.x)),
    "T + 1": lambda: V.T + 1,
    "sum(T, 0) - X": lambda: V.T.sum(axis=0) - V.X,
    "relu(w) + step(w)": lambda: np.where(V.w > 0, V.w + 1, 0),
    "sigmoid(w) + softplus(w)": lambda: special.expit(V.w) + np.logaddexp(0, V.w),
    "softplus(1000*x)": lambda: 1000 * V.x,
    "gelu(w) + erf(w)": lambda: V.w * special.ndtr(V.w) + special.erf(V.w),
    "normcdf(w) + normpdf(w)": lambda: (
        special.ndtr(V.w) + np.exp(-(V.w**2) / 2) / np.sqrt(2 * np.pi)
    ),
    "erfc(w) + erf(w)": lambda: np.ones(3),
    "gammaln(x) + digamma(x)": lambda: special.gammaln(V.x) + special.digamma(V.x),
    "polygamma(1, x)": lambda: special.polygamma(1, V.x),
    "xlogy(x, z)": lambda: V.x * np.log(V.z),
    "sin(w) + cos(w) + tan(w)": lambda: np.sin(V.w) + np.cos(V.w) + np.tan(V.w),
    "asin(x/4) + acos(x/4) + atan(x)": lambda: np.pi / 2 + np.arctan(V.x),
    "sinh(w)./cosh(w) - tanh(w)": lambda: np.zeros(3),
    "log1p(expm1(w)) - w": lambda: np.zeros(3),
    "arcsinh(w) + arccosh(x + 2) + arctanh(x/4)": lambda: (
        np.arcsinh(V.w) + np.arccosh(V.x + 2) + np.arctanh(V.x / 4)
    ),
    "abs(w).*sign(w)": lambda: V.w,
    "ln(x) + lgamma(x)": lambda: np.log(V.x) + special.gammaln(V.x),
    "pi*a² + π": lambda: np.pi * (V.a**2 + 1),
    "h = tanh(A*x + b); k = B*h + c; k'*k": lambda: np.sum(
        (V.B @ np.tanh(V.A @ V.x + V.b) + V.c) ** 2
    ),
    "r = X*w - y\nr'*r/2": lambda: np.sum((V.X @ V.w - V.y) ** 2) / 2,
    "1/3 + 0.1": lambda: 1 / 3 + 0.1,
}
