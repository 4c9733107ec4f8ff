"""Densities and distribution functions of ``scipy.stats`` on traced arrays.

Each distribution states its logarithmic density in the standard position; location, scale and
support are common to all. (Johnson, Kotz, Balakrishnan: Continuous Univariate Distributions.)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special as sc

from wengert.tracing.array import TracedArray
from wengert.tracing.dispatch import unsupported
from wengert.tracing.lifting import holds_traced
from wengert.tracing.reducing import traced

SCIPY_STATS = "scipy.stats"

Function = Callable[..., Any]
_LOG_ROOT_2PI = float(np.log(2 * np.pi) / 2)


@dataclass(frozen=True)
class Distribution:
    """A family of distributions.

    Attributes
    ----------
    log_density : callable
        Of the standardised argument and the shape parameters; a probability if discrete.
    functions : dict
        The distribution function and its kin (cdf, sf, logcdf, logsf), likewise.
    support : tuple of float
        The interval outside of which the density is 0.
    inside : float
        A point in it.
    """

    log_density: Function
    functions: dict[str, Function]
    support: tuple[float, float] = (-np.inf, np.inf)
    inside: float = 0.5


def _t_cdf(y: Any, df: Any) -> Any:
    """By the incomplete beta function in the tails, and a series that is smooth at 0 between."""
    near = y * y < df
    small = np.where(near, y, 0.0)
    factor = np.exp(sc.gammaln((df + 1) / 2) - sc.gammaln(df / 2)) / np.sqrt(np.pi * df)
    middle = 0.5 + small * factor * sc.hyp2f1(0.5, (df + 1) / 2, 1.5, -small * small / df)
    large = np.where(near, 2 * np.sqrt(df), y)
    tail = 0.5 * sc.betainc(df / 2, 0.5, df / (df + large * large))
    return np.where(near, middle, np.where(large > 0, 1 - tail, tail))


CONTINUOUS: dict[str, Distribution] = {
    "norm": Distribution(
        lambda y: -y * y / 2 - _LOG_ROOT_2PI,
        {
            "cdf": sc.ndtr,
            "sf": lambda y: sc.ndtr(-y),
            "logcdf": sc.log_ndtr,
            "logsf": lambda y: sc.log_ndtr(-y),
        },
    ),
    "t": Distribution(
        lambda y, df: (
            sc.gammaln((df + 1) / 2)
            - sc.gammaln(df / 2)
            - np.log(np.pi * df) / 2
            - (df + 1) / 2 * np.log1p(y * y / df)
        ),
        {"cdf": _t_cdf, "sf": lambda y, df: _t_cdf(-y, df)},
    ),
    "beta": Distribution(
        lambda y, a, b: sc.xlogy(a - 1, y) + sc.xlog1py(b - 1, -y) - sc.betaln(a, b),
        {"cdf": lambda y, a, b: sc.betainc(a, b, y), "sf": lambda y, a, b: sc.betaincc(a, b, y)},
        (0.0, 1.0),
    ),
    "gamma": Distribution(
        lambda y, a: sc.xlogy(a - 1, y) - y - sc.gammaln(a),
        {"cdf": lambda y, a: sc.gammainc(a, y), "sf": lambda y, a: sc.gammaincc(a, y)},
        (0.0, np.inf),
    ),
    "chi2": Distribution(
        lambda y, df: (
            sc.xlogy(df / 2 - 1, y) - y / 2 - sc.gammaln(df / 2) - df / 2 * float(np.log(2))
        ),
        {
            "cdf": lambda y, df: sc.gammainc(df / 2, y / 2),
            "sf": lambda y, df: sc.gammaincc(df / 2, y / 2),
        },
        (0.0, np.inf),
    ),
    "expon": Distribution(
        lambda y: -y,
        {"cdf": lambda y: -np.expm1(-y), "sf": lambda y: np.exp(-y), "logsf": lambda y: -y},
        (0.0, np.inf),
    ),
    "uniform": Distribution(
        lambda y: 0.0 * y, {"cdf": lambda y: y, "sf": lambda y: 1 - y}, (0.0, 1.0)
    ),
    "laplace": Distribution(
        lambda y: -np.abs(y) - float(np.log(2)),
        {
            "cdf": lambda y: np.where(y < 0, np.exp(-np.abs(y)) / 2, 1 - np.exp(-np.abs(y)) / 2),
            "sf": lambda y: np.where(y > 0, np.exp(-np.abs(y)) / 2, 1 - np.exp(-np.abs(y)) / 2),
        },
    ),
    "cauchy": Distribution(
        lambda y: -float(np.log(np.pi)) - np.log1p(y * y),
        {"cdf": lambda y: np.arctan2(1, -y) / np.pi, "sf": lambda y: np.arctan2(1, y) / np.pi},
    ),
    "logistic": Distribution(
        lambda y: sc.log_expit(y) + sc.log_expit(-y),
        {
            "cdf": sc.expit,
            "sf": lambda y: sc.expit(-y),
            "logcdf": sc.log_expit,
            "logsf": lambda y: sc.log_expit(-y),
        },
    ),
    "lognorm": Distribution(
        lambda y, s: -((np.log(y) / s) ** 2) / 2 - _LOG_ROOT_2PI - np.log(s) - np.log(y),
        {
            "cdf": lambda y, s: sc.ndtr(np.log(y) / s),
            "sf": lambda y, s: sc.ndtr(-np.log(y) / s),
        },
        (0.0, np.inf),
    ),
}

DISCRETE: dict[str, Distribution] = {
    "poisson": Distribution(
        lambda k, mu: sc.xlogy(k, mu) - mu - sc.gammaln(k + 1.0),
        {
            "cdf": lambda k, mu: sc.gammaincc(np.floor(k) + 1.0, mu),
            "sf": lambda k, mu: sc.gammainc(np.floor(k) + 1.0, mu),
        },
        (0.0, np.inf),
        0.0,
    ),
    "bernoulli": Distribution(
        lambda k, p: sc.xlogy(k, p) + sc.xlog1py(1 - k, -p), {}, (0.0, 1.0), 0.0
    ),
    "binom": Distribution(
        lambda k, n, p: (
            sc.gammaln(n + 1.0)
            - sc.gammaln(k + 1.0)
            - sc.gammaln(n - k + 1.0)
            + sc.xlogy(k, p)
            + sc.xlog1py(n - k, -p)
        ),
        {},
        (0.0, np.inf),
        0.0,
    ),
}


def methods_of_distributions() -> Iterator[tuple[type, str, Function]]:
    """The classes of ``scipy.stats``, their methods, and our versions of these."""
    stats: Any = sys.modules[SCIPY_STATS]
    for name in ("pdf", "logpdf", "cdf", "sf", "logcdf", "logsf"):
        yield stats.rv_continuous, name, _method(name, CONTINUOUS)
    for name in ("pmf", "logpmf", "cdf", "sf", "logcdf", "logsf"):
        yield stats.rv_discrete, name, _method(name, DISCRETE)
    normal, dirichlet = type(stats.multivariate_normal), type(stats.dirichlet)
    yield normal, "logpdf", _normal_logpdf
    yield normal, "pdf", lambda *a, **k: np.exp(_normal_logpdf(*a, **k))
    yield normal, "entropy", _normal_entropy
    yield dirichlet, "logpdf", _dirichlet_logpdf
    yield dirichlet, "pdf", lambda *a, **k: np.exp(_dirichlet_logpdf(*a, **k))


def _method(name: str, table: dict[str, Distribution]) -> Function:
    def method(self: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
        found = table.get(self.name)
        if found is None:
            known = ", ".join(sorted({*CONTINUOUS, *DISCRETE}))
            raise unsupported(getattr(self, name), f"the distributions are {known}")
        shapes, loc, scale = _parameters(self, args, kwargs)
        y = (_array(x) - loc) / scale if table is CONTINUOUS else _array(x) - loc
        if name in ("pdf", "logpdf", "pmf", "logpmf"):
            logarithm = _log_density(found, y, shapes, table is DISCRETE) - (
                np.log(scale) if table is CONTINUOUS else 0.0
            )
            return logarithm if name.startswith("log") else np.exp(logarithm)
        return _probability(self, found, name, y, shapes)

    return method


def _array(x: Any) -> Any:
    return traced(x) if holds_traced(x) else np.asarray(x)


def _parameters(
    self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[list[Any], Any, Any]:
    """Shape parameters, location and scale, by place or by name."""
    own = [s.strip() for s in self.shapes.split(",")] if self.shapes else []
    given = dict(zip([*own, "loc", "scale"], args, strict=False)) | kwargs
    return (
        [_array(given[s]) for s in own],
        _array(given.get("loc", 0.0)),
        _array(given.get("scale", 1.0)),
    )


def _within(found: Distribution, y: Any) -> tuple[Any, Any]:
    """Where the support is, and the argument, replaced by an inner point elsewhere."""
    low, high = found.support
    if np.isinf(low) and np.isinf(high):
        return None, y
    inside = (y >= low) & (y <= high)
    return inside, np.where(inside, y, found.inside)


def _log_density(found: Distribution, y: Any, shapes: list[Any], discrete: bool) -> Any:
    inside, safe = _within(found, y)
    logarithm = found.log_density(safe, *shapes)
    if discrete:
        inside = np.logical_and(inside, np.floor(y) == y)
    return logarithm if inside is None else np.where(inside, logarithm, -np.inf)


def _probability(self: Any, found: Distribution, name: str, y: Any, shapes: list[Any]) -> Any:
    inside, safe = _within(found, y)
    if name in found.functions:
        value = found.functions[name](safe, *shapes)
    elif name.startswith("log") and name[3:] in found.functions:
        value = np.log(found.functions[name[3:]](safe, *shapes))
    else:
        raise unsupported(getattr(self, name), f"{self.name} has a density only")
    if inside is None:
        return value
    none, all_ = (-np.inf, 0.0) if name.startswith("log") else (0.0, 1.0)
    below, above = (none, all_) if name.endswith("cdf") else (all_, none)
    return np.where(inside, value, np.where(y < found.support[0], below, above))


# ---------------------------------------------------------------- several variables


def _covariance(cov: Any, mean: Any) -> Any:
    size = max(np.shape(cov)[-1:] + np.shape(mean)[-1:], default=1)  # as SciPy: of one variable
    if np.ndim(cov) == 0:
        return _array(cov) * np.eye(size)
    return _array(cov) if np.ndim(cov) == 2 else np.diag(_array(cov))


def _normal_logpdf(self: Any, x: Any, mean: Any = None, cov: Any = 1,
                   allow_singular: bool = False) -> Any:  # fmt: skip
    matrix = _covariance(cov, mean)
    n = matrix.shape[-1]
    gap = _array(x) - (0.0 if mean is None else _array(mean))
    if np.ndim(gap) == 0 or (n == 1 and np.shape(gap)[-1] != 1):
        gap = gap[..., None]
    if allow_singular:
        return _singular_logpdf(gap, matrix)
    low = np.linalg.cholesky(matrix)
    rows = np.reshape(gap, (-1, n))
    half = np.linalg.solve(low, np.swapaxes(rows, 0, 1))
    distance = np.reshape(np.sum(half * half, axis=0), np.shape(gap)[:-1])
    return -distance / 2 - np.sum(np.log(np.diagonal(low))) - n * _LOG_ROOT_2PI


def _singular_logpdf(gap: Any, matrix: Any) -> Any:
    """On the span of the eigenvectors whose eigenvalues are not 0, with SciPy's tolerances.

    The rank counts as constant: the derivative by the covariance is that among the matrices of its
    rank.
    """
    w, v = np.linalg.eigh(matrix)
    known = np.asarray(w.value if isinstance(w, TracedArray) else w)
    least = 1e6 * np.finfo(float).eps * np.max(np.abs(known))
    kept = known > least
    white = gap @ (v[:, kept] / np.sqrt(w[kept]))
    logarithm = (
        -np.sum(white**2, axis=-1) / 2
        - np.sum(np.log(w[kept])) / 2
        - int(np.sum(kept)) * _LOG_ROOT_2PI
    )
    if np.all(kept):
        return logarithm
    inside = np.linalg.norm(gap @ v[:, ~kept], axis=-1) < 1e3 * least
    return np.where(inside, logarithm, -np.inf)


def _normal_entropy(self: Any, mean: Any = None, cov: Any = 1) -> Any:
    low = np.linalg.cholesky(_covariance(cov, mean))
    return np.sum(np.log(np.diagonal(low))) + low.shape[-1] * (0.5 + _LOG_ROOT_2PI)


def _dirichlet_logpdf(self: Any, x: Any, alpha: Any) -> Any:
    """Of points with the last coordinate or without it, along the first axis."""
    point, a = _array(x), _array(alpha)
    if point.shape[0] == a.shape[0] - 1:
        point = np.concatenate([point, 1 - np.sum(point, axis=0, keepdims=True)])
    weights = np.reshape(a - 1, (-1,) + (1,) * (point.ndim - 1))
    constant = sc.gammaln(np.sum(a)) - np.sum(sc.gammaln(a))
    return constant + np.sum(sc.xlogy(weights, point), axis=0)
