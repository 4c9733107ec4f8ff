"""What each operation should give, from its definition: mpmath for functions of numbers, loops
over NumPy arrays for the others. Nothing here looks at the library."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import mpmath as mp
import numpy as np

DIGITS = 60


def _sign(x: Any) -> Any:
    return (x > 0) - (x < 0)


def _power(x: Any, exponent: Any) -> Any:
    return mp.power(x, mp.mpf(exponent.numerator) / exponent.denominator)


# Functions of one or two numbers: f(*mpf, **params).
SCALAR: dict[str, Callable[..., Any]] = {
    "exp": mp.exp,
    "log": mp.log,
    "log1p": mp.log1p,
    "expm1": mp.expm1,
    "abs": abs,
    "sign": _sign,
    "step": lambda x: int(x > 0),
    "sin": mp.sin,
    "cos": mp.cos,
    "tan": mp.tan,
    "arcsin": mp.asin,
    "arccos": mp.acos,
    "arctan": mp.atan,
    "sinh": mp.sinh,
    "cosh": mp.cosh,
    "tanh": mp.tanh,
    "arcsinh": mp.asinh,
    "arccosh": mp.acosh,
    "arctanh": mp.atanh,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
    "relu": lambda x: max(x, mp.mpf(0)),
    "normcdf": mp.ncdf,
    "normpdf": mp.npdf,
    "gelu": lambda x: x * mp.ncdf(x),
    "erf": mp.erf,
    "erfc": mp.erfc,
    "gammaln": lambda x: mp.log(abs(mp.gamma(x))),
    "digamma": mp.digamma,
    "polygamma": lambda x, order: mp.polygamma(order, x),
    "maximum": max,
    "minimum": min,
    "xlogy": lambda x, z: mp.mpf(0) if x == 0 else x * mp.log(z),
    "pow": mp.power,
    "power": _power,
    "safepower": lambda x, exponent: mp.mpf(0) if x == 0 else _power(x, exponent),
}


def _total(x: Any) -> Any:
    return mp.fsum(mp.mpf(float(v)) for v in np.ravel(x))


def _logsumexp(x: Any) -> float:
    return (
        float(mp.log(mp.fsum(mp.exp(mp.mpf(float(v))) for v in x.ravel()))) if x.size else -math.inf
    )


def _softmax(x: Any) -> Any:
    powers = [mp.exp(mp.mpf(float(v))) for v in x.ravel()]
    return np.array([float(p / mp.fsum(powers)) for p in powers]).reshape(x.shape)


def _mask(best: Callable[..., Any]) -> Callable[[Any], Any]:
    def mask(x: Any) -> Any:
        hits = [float(v == best(x.ravel())) for v in x.ravel()]
        return np.array(hits).reshape(x.shape) / max(sum(hits), 1.0)

    return mask


def _norm2(x: Any) -> float:
    return float(mp.sqrt(mp.fsum(mp.mpf(float(v)) ** 2 for v in x.ravel())))


def _prodexcept(x: Any, order: int) -> Any:
    n = x.shape[-1]
    result = np.zeros((n,) * order)
    for places in itertools.permutations(range(n), order):
        result[places] = math.prod(float(x[k]) for k in range(n) if k not in places)
    return result


def determinant(a: Any) -> float:
    """Leibniz's sum over permutations."""
    total, n = 0.0, a.shape[-1]
    for order in itertools.permutations(range(n)):
        sign = math.prod(
            1 if order[i] < order[j] else -1 for i in range(n) for j in range(i + 1, n)
        )
        total += sign * math.prod(float(a[i, order[i]]) for i in range(n))
    return total


def adjugate(a: Any) -> Any:
    """The transposed matrix of cofactors."""
    n = a.shape[-1]
    result = np.empty((n, n))
    for i, j in itertools.product(range(n), repeat=2):
        minor = np.delete(np.delete(a, i, axis=0), j, axis=1)
        result[j, i] = (-1) ** (i + j) * determinant(minor)
    return result


def _inverse(a: Any) -> Any:
    return adjugate(a) / determinant(a)


# Functions of an array's trailing axes: (how many axes they take, f(array, **params)).
ARRAY: dict[str, tuple[int, Callable[..., Any]]] = {
    "max": (-1, lambda x: max(map(float, x.ravel()))),
    "min": (-1, lambda x: min(map(float, x.ravel()))),
    "maxmask": (-1, _mask(max)),
    "minmask": (-1, _mask(min)),
    "softmax": (-1, _softmax),
    "logsumexp": (-1, _logsumexp),
    "norm2": (-1, _norm2),
    "norm1": (-1, lambda x: float(_total(abs(x)))),
    "prod": (1, lambda x: math.prod(map(float, x))),
    "prodexcept": (1, _prodexcept),
    "inv": (2, _inverse),
    "det": (2, determinant),
    "logdet": (2, lambda a: math.log(determinant(a))),
    "adj": (2, adjugate),
    "pinv": (2, lambda a: _inverse(a.T @ a) @ a.T),
}


def reference(name: str, params: Mapping[str, Any]) -> Callable[..., Any] | None:
    """The operation as a function of arrays with leading batch axes; None if there is none."""
    if name in SCALAR:
        return _entrywise(SCALAR[name], params)
    if name not in ARRAY:
        return None
    axes, function = ARRAY[name]
    kept = {k: v for k, v in params.items() if k != "rank"}
    taken = params["rank"] if axes < 0 else axes

    def batched(x: Any) -> Any:
        x = np.asarray(x, dtype=np.float64)
        lead = x.shape[: x.ndim - taken]
        parts = [np.asarray(function(x[index], **kept)) for index in np.ndindex(lead)]
        if not parts:  # an empty batch: the shape of one result, from a sample
            inner = np.asarray(function(np.ones(x.shape[x.ndim - taken :]), **kept)).shape
            return np.zeros(lead + inner)
        return np.array(parts).reshape(lead + parts[0].shape)

    return batched


def _entrywise(function: Callable[..., Any], params: Mapping[str, Any]) -> Callable[..., Any]:
    def evaluate(*arrays: Any) -> Any:
        arrays = tuple(np.asarray(a, dtype=np.float64) for a in arrays)
        result = np.empty(arrays[0].shape)
        with mp.workdps(DIGITS):
            for index in np.ndindex(result.shape):
                numbers = [mp.mpf(float(a[index])) for a in arrays]
                result[index] = float(function(*numbers, **params))
        return result

    return evaluate


def scalar_derivative(name: str, x: float, order: int = 1, **params: Any) -> float:
    """The derivative of a function of one number, by differences with 400 digits."""
    with mp.workdps(400):
        h = mp.mpf(10) ** -60 * max(1, abs(mp.mpf(x)))
        point = mp.mpf(x)
        signs = [(-1) ** k * math.comb(order, k) for k in range(order + 1)]
        values = [
            SCALAR[name](point + (mp.mpf(order) / 2 - k) * h, **params) for k in range(order + 1)
        ]
        return float(mp.fsum(s * v for s, v in zip(signs, values, strict=True)) / h**order)
