"""What each operation should give, from its definition: mpmath for functions of numbers, loops
over NumPy arrays for the others. Nothing here looks at the library."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import mpmath as mp
import numpy as np
from scipy import special

from operations.matrix_references import MATRIX

DIGITS = 60


def _sign(x: Any) -> Any:
    return (x > 0) - (x < 0)


def _power(x: Any, exponent: Any) -> Any:
    return mp.power(x, mp.mpf(exponent.numerator) / exponent.denominator)


def _quotient(above: Any, below: Any) -> Any:
    return mp.mpf(1) if below == 0 else above / below


def _taylor(function: Callable[..., Any], x: Any, order: int) -> Any:
    """The derivative at a point where the function may be a limit: differences off the point."""
    return mp.diff(function, x, order, h=mp.mpf(10) ** -(mp.mp.dps // (order + 3)))


def _repeated_integral(order: int, x: Any) -> Any:
    """exp(x²) iⁿerfc(x): by a parabolic cylinder function (DLMF 7.18.11), or near 0, where that
    takes long, by its power series (DLMF 7.18.6), of even and of odd terms."""
    if abs(x) > 1:
        scale = mp.exp(x * x / 2) / mp.sqrt(mp.mpf(2) ** (order - 1) * mp.pi)
        return scale * mp.pcfd(-order - 1, mp.sqrt(2) * x)
    total = mp.mpf(0)
    for first in (0, 1):
        k = first
        term = (-x) ** k * mp.rgamma(1 + mp.mpf(order - k) / 2) / mp.mpf(2) ** (order - k)
        while abs(term) > mp.eps * abs(total):
            total += term
            term *= 2 * (order - k) * x * x / ((k + 1) * (k + 2))
            k += 2
    return mp.exp(x * x) * total


def _dawson(x: Any) -> Any:
    return mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x)


def _slope_by_shape(function: Any, a: Any, order: int) -> Any:
    """A derivative by differences with many digits."""
    with mp.workdps(60):
        return mp.diff(function, a, order, h=mp.mpf(10) ** -12) if order else function(a)


def _inverse_of(function: Callable[..., Any], start: float) -> Any:
    return mp.findroot(function, (0.999 * start, 1.0001 * start), solver="secant")


# Functions of numbers: f(*mpf, **params).
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
    "powlog": lambda x, z, order: x**z * mp.log(x) ** order,
    "xlogy": lambda x, z: mp.mpf(0) if x == 0 else x * mp.log(z),
    "pow": mp.power,
    "power": _power,
    "safepower": lambda x, exponent: mp.mpf(0) if x == 0 else _power(x, exponent),
    # NumPy's
    "exp2": lambda x: mp.power(2, x),
    "exp10": lambda x: mp.power(10, x),
    "log2": lambda x: mp.log(x, 2),
    "log10": mp.log10,
    "cbrt": lambda x: _sign(x) * mp.cbrt(abs(x)),
    "sinc": lambda x: mp.sinc(mp.pi * x),
    "dsinc": lambda x, order: _taylor(lambda t: mp.sinc(mp.pi * t), x, order),
    "finite": lambda x: 1,
    "nan_to_num": lambda x, nan, posinf, neginf: x,
    "fmaxshare": lambda x, z: (1 + _sign(x - z)) / mp.mpf(2),
    "fmax": max,
    "fmin": min,
    "clip": lambda x, low, high: min(max(x, low), high),
    "logaddexp": lambda x, z: mp.log(mp.exp(x) + mp.exp(z)),
    "logaddexp2": lambda x, z: mp.log(mp.power(2, x) + mp.power(2, z), 2),
    "arctan2": mp.atan2,
    "hypot": mp.hypot,
    "copysign": lambda x, z: abs(x) * (1 if z >= 0 else -1),
    "heaviside": lambda x, z: z if x == 0 else mp.mpf(int(x > 0)),
    "floor_divide": lambda x, z: mp.floor(x / z),
    "remainder": lambda x, z: x - z * mp.floor(x / z),
    "fmod": lambda x, z: x - z * _sign(x / z) * mp.floor(abs(x / z)),
    # entropies, losses, logistic functions
    "xlog1py": lambda x, z: mp.mpf(0) if x == 0 else x * mp.log1p(z),
    "rel_entr": lambda x, z: mp.mpf(0) if x == 0 else x * mp.log(x / z),
    "kl_div": lambda x, z: z - x + (mp.mpf(0) if x == 0 else x * mp.log(x / z)),
    "huber": lambda d, r: r * r / 2 if abs(r) <= d else d * (abs(r) - d / 2),
    "pseudo_huber": lambda d, r: d * d * (mp.sqrt(1 + (r / d) ** 2) - 1),
    "entr": lambda x: mp.mpf(0) if x == 0 else -x * mp.log(x),
    "boxcox": lambda x, z: mp.log(x) if z == 0 else (mp.power(x, z) - 1) / z,
    "logit": lambda x: mp.log(x / (1 - x)),
    "log_expit": lambda x: -mp.log1p(mp.exp(-x)),
    "wrightomega": lambda x: mp.lambertw(mp.exp(x)).real,
    "lambertw": lambda x, branch: mp.lambertw(x, branch).real,
    "exprel": lambda x: _quotient(mp.expm1(x), x),
    "dexprel": lambda x, order: mp.hyp1f1(order + 1, order + 2, x) / (order + 1),
    "logratio": lambda x: _quotient(mp.log(x), x - 1),
    "dlogratio": lambda x, order: _taylor(lambda t: _quotient(mp.log(t), t - 1), x, order),
    "spence": lambda x: mp.polylog(2, 1 - x).real,
    # errors and the normal distribution
    "erfi": mp.erfi,
    "erfinv": mp.erfinv,
    "erfcinv": lambda x: mp.erfinv(1 - x),
    "erfcx": lambda x: mp.exp(x * x) * mp.erfc(x),
    "ierfcx": lambda x, order: _repeated_integral(order, x),
    "dawsn": _dawson,
    "ddawsn": lambda x, order: mp.diff(_dawson, x, order),
    "invmills": lambda x: mp.npdf(x) / mp.ncdf(x),
    "invmillsexcess": lambda x: x + mp.npdf(x) / mp.ncdf(x),
    "log_ndtr": lambda x: mp.log1p(-mp.ncdf(-x)) if x > 0 else mp.log(mp.ncdf(x)),
    "ndtri": lambda x: mp.sqrt(2) * mp.erfinv(2 * x - 1),
    "ndtri_exp": lambda x: mp.sqrt(2) * mp.erfinv(2 * mp.exp(x) - 1),
    "owens_t": lambda h, a: (
        mp.quad(lambda t: mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), [0, a]) / (2 * mp.pi)
    ),
    # gamma and its kin
    "gamma": mp.gamma,
    "loggamma": mp.loggamma,
    "gammasgn": lambda x: _sign(mp.gamma(x)),
    "rgamma": mp.rgamma,
    "drgamma": lambda x, order: mp.diff(mp.rgamma, x, order),
    "beta": mp.beta,
    "betaln": lambda a, b: mp.log(mp.beta(a, b)),
    "binom": mp.binomial,
    "poch": mp.rf,
    "zeta": mp.zeta,
    "dgammainc": lambda a, x, order: _slope_by_shape(
        lambda b: mp.gammainc(b, 0, x, regularized=True), a, order
    ),
    "dbetainc": lambda a, b, x, first, second: _slope_by_shape(
        lambda p: _slope_by_shape(lambda q: mp.betainc(p, q, 0, x, regularized=True), b, second),
        a,
        first,
    ),
    "gammainc": lambda a, x: mp.gammainc(a, 0, x, regularized=True),
    "gammaincc": lambda a, x: mp.gammainc(a, x, regularized=True),
    "gammaincinv": lambda a, p: _inverse_of(
        lambda x: mp.gammainc(a, 0, x, regularized=True) - p,
        special.gammaincinv(float(a), float(p)),
    ),
    "gammainccinv": lambda a, p: _inverse_of(
        lambda x: mp.gammainc(a, x, regularized=True) - p, special.gammainccinv(float(a), float(p))
    ),
    "betainc": lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True),
    "betaincc": lambda a, b, x: mp.betainc(a, b, x, 1, regularized=True),
    "betaincinv": lambda a, b, p: _inverse_of(
        lambda x: mp.betainc(a, b, 0, x, regularized=True) - p,
        special.betaincinv(float(a), float(b), float(p)),
    ),
    # integrals of elementary functions
    "expi": mp.ei,
    "exp1": mp.e1,
    "expn": lambda x, order: mp.expint(order, x),
    "sinint": mp.si,
    "cosint": mp.ci,
    "sinhint": mp.shi,
    "fresnels": mp.fresnels,
    "fresnelc": mp.fresnelc,
    "cosm1": lambda x: mp.cos(x) - 1,
    "sindg": lambda x: mp.sin(mp.radians(x)),
    "cosdg": lambda x: mp.cos(mp.radians(x)),
    "tandg": lambda x: mp.tan(mp.radians(x)),
    # Bessel, hypergeometric, elliptic
    **{f"j{n}": lambda x, n=n: mp.besselj(n, x) for n in (0, 1)},
    **{f"y{n}": lambda x, n=n: mp.bessely(n, x) for n in (0, 1)},
    **{f"i{n}": lambda x, n=n: mp.besseli(n, x) for n in (0, 1)},
    **{f"k{n}": lambda x, n=n: mp.besselk(n, x) for n in (0, 1)},
    **{f"i{n}e": lambda x, n=n: mp.exp(-abs(x)) * mp.besseli(n, x) for n in (0, 1)},
    **{f"k{n}e": lambda x, n=n: mp.exp(x) * mp.besselk(n, x) for n in (0, 1)},
    "jv": mp.besselj,
    "yv": mp.bessely,
    "iv": mp.besseli,
    "kv": mp.besselk,
    "ive": lambda v, x: mp.exp(-abs(x)) * mp.besseli(v, x),
    "kve": lambda v, x: mp.exp(x) * mp.besselk(v, x),
    "hyp0f1": mp.hyp0f1,
    "hyp1f1": mp.hyp1f1,
    "hyp2f1": mp.hyp2f1,
    "ellipk": mp.ellipk,
    "ellipe": mp.ellipe,
    "ellipkinc": mp.ellipf,
    "ellipeinc": mp.ellipe,
}


# What is discrete: truth values are 0 and 1.
SCALAR |= {
    "less": lambda x, z: x < z,
    "less_equal": lambda x, z: x <= z,
    "greater": lambda x, z: x > z,
    "greater_equal": lambda x, z: x >= z,
    "equal": lambda x, z: x == z,
    "not_equal": lambda x, z: x != z,
    "isnan": mp.isnan,
    "isfinite": mp.isfinite,
    "isinf": mp.isinf,
    "signbit": lambda x: x < 0,
    "logical_and": lambda x, z: x * z,
    "logical_or": max,
    "logical_xor": lambda x, z: x != z,
    "logical_not": lambda x: 1 - x,
    "int_add": lambda x, z: x + z,
    "int_sub": lambda x, z: x - z,
    "int_mul": lambda x, z: x * z,
    "int_floor_divide": lambda x, z: mp.floor(x / z),
    "int_mod": lambda x, z: x - z * mp.floor(x / z),
    "floor": mp.floor,
    "ceil": mp.ceil,
    "rint": mp.nint,
    "trunc": lambda x: _sign(x) * mp.floor(abs(x)),
    "as_int": lambda x: _sign(x) * mp.floor(abs(x)),
    "as_real": lambda x: x,
    "where": lambda c, a, b: a if c else b,
    "where_int": lambda c, a, b: a if c else b,
    "where_bool": lambda c, a, b: a if c else b,
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


def _specified(spec: Any, size: int) -> list[int]:
    """The places that a slice's specification names."""
    if spec is None:
        return list(range(size))
    return [spec] if isinstance(spec, int) else list(range(*spec))


def _moved_between(specs: Any, sizes: Any, shape: tuple[int, ...]) -> list[tuple[Any, Any]]:
    """Indices of an array's trailing axes, and of the slice of it, that hold the same entry."""
    lead = [list(range(n)) for n in shape[: len(shape) - len(specs)]]
    named = [_specified(s, n) for s, n in zip(specs, sizes, strict=True)]
    axes = [*lead, *named]
    dropped = {len(lead) + k for k, s in enumerate(specs) if isinstance(s, int)}
    return [
        (
            tuple(axis[p] for axis, p in zip(axes, places, strict=True)),
            tuple(p for k, p in enumerate(places) if k not in dropped),
        )
        for places in itertools.product(*(range(len(a)) for a in axes))
    ]


def _slice(x: Any, slices: Any) -> Any:
    lead = x.ndim - len(slices)
    named = [_specified(s, n) for s, n in zip(slices, x.shape[lead:], strict=True)]
    kept = [len(p) for s, p in zip(slices, named, strict=True) if not isinstance(s, int)]
    result = np.empty((*x.shape[:lead], *kept))
    for source, target in _moved_between(slices, x.shape[lead:], x.shape):
        result[target] = x[source]
    return result


def _embed(x: Any, slices: Any, sizes: Any) -> Any:
    lead = x.ndim - sum(not isinstance(s, int) for s in slices)
    result = np.zeros((*x.shape[:lead], *sizes))
    for target, source in _moved_between(slices, sizes, result.shape):
        result[target] = x[source]
    return result


def _take(x: Any, *indices: Any, rank: int) -> Any:
    lead = x.shape[: x.ndim - rank]
    indices = np.broadcast_arrays(*indices)
    inner, rest = indices[0].shape, x.shape[len(lead) + len(indices) :]
    result = np.empty((*lead, *inner, *rest))
    for a, i in itertools.product(np.ndindex(lead), np.ndindex(inner)):
        result[(*a, *i)] = x[(*a, *(int(index[i]) for index in indices))]
    return result


def _scatter(x: Any, *indices: Any, sizes: Any) -> Any:
    indices = np.broadcast_arrays(*indices)
    inner = indices[0].shape
    lead = x.shape[: x.ndim - len(inner) - len(sizes) + len(indices)]
    result = np.zeros((*lead, *sizes))
    for a, i in itertools.product(np.ndindex(lead), np.ndindex(inner)):
        result[(*a, *(int(index[i]) for index in indices))] += x[(*a, *i)]
    return result


def _along(x: Any, index: Any, size: int | None) -> Any:
    """Entries taken along the last axis, or added up there if a size is given."""
    lead = x.shape[:-1]
    index = np.broadcast_to(index, (*lead, index.shape[-1]))
    result = np.zeros((*lead, index.shape[-1] if size is None else size))
    for place in np.ndindex(index.shape):
        line = place[:-1]
        if size is None:
            result[place] = x[(*line, index[place])]
        else:
            result[(*line, index[place])] += x[place]
    return result


def _joined(*parts: Any, axis: int, rows: Any) -> Any:
    whole = [np.expand_dims(p, axis) if r else p for p, r in zip(parts, rows, strict=True)]
    lines = [line for part in whole for line in np.moveaxis(part, axis, 0)]
    return np.moveaxis(np.array(lines), 0, axis)


def _running(x: Any, reverse: bool) -> Any:
    n = x.shape[-1]
    result = np.zeros(x.shape)
    for i, j in itertools.product(range(n), repeat=2):
        if (j >= i) if reverse else (j <= i):
            result[..., i] += x[..., j]
    return result


def _place(better: Callable[[Any, Any], bool]) -> Callable[[Any], Any]:
    def place(x: Any) -> Any:
        found = np.zeros(x.shape[:-1])
        for line in np.ndindex(found.shape):
            best = 0
            for k in range(x.shape[-1]):
                best = k if better(x[line][k], x[line][best]) else best
            found[line] = best
        return found

    return place


def _ranks(x: Any) -> Any:
    found = np.zeros(x.shape)
    for line in np.ndindex(x.shape[:-1]):
        found[line] = sorted(range(x.shape[-1]), key=lambda k: x[line][k])
    return found


def _arranged(x: Any, labels: Any, out: Any, sizes: Any) -> Any:
    lead = x.shape[: x.ndim - len(labels)]
    size = {**dict(sizes), **dict(zip(labels, x.shape[len(lead) :], strict=True))}
    result = np.zeros((*lead, *(size[a] for a in out)))
    for place in np.ndindex(result.shape):
        at = dict(zip(out, place[len(lead) :], strict=True))
        result[place] = x[(*place[: len(lead)], *(at[a] for a in labels))]
    return result


def _over(rank: int, x: Any, function: Callable[[list[Any]], Any]) -> Any:
    lead = x.shape[: x.ndim - rank]
    values = [function(list(x[place].ravel())) for place in np.ndindex(lead)]
    return np.array(values, dtype=np.float64).reshape(lead)


# Functions of whole arrays, leading axes included: f(*arrays, **params).
WHOLE: dict[str, Callable[..., Any]] = {
    **MATRIX,
    "slice": _slice,
    "embed": _embed,
    "take": _take,
    "scatter": _scatter,
    "take_along": lambda x, index: _along(x, index, None),
    "scatter_along": _along,
    "concatenate": _joined,
    "cumsum": _running,
    "keep": lambda x, mask: np.array([v if m else 0.0 for v, m in zip(
        x.ravel(), np.broadcast_to(mask, x.shape).ravel(), strict=True)]).reshape(x.shape),
    "argmax": _place(lambda a, b: a > b),
    "argmin": _place(lambda a, b: a < b),
    "argsort": _ranks,
    "arrange": _arranged,
    "any": lambda x, rank: _over(rank, x, any),
    "all": lambda x, rank: _over(rank, x, all),
    "count": lambda x, rank: _over(rank, x, sum),
}  # fmt: skip


def reference(name: str, params: Mapping[str, Any]) -> Callable[..., Any] | None:
    """The operation as a function of arrays with leading batch axes; None if there is none."""
    if name in SCALAR:
        return _entrywise(SCALAR[name], params)
    if name in WHOLE:
        return lambda *arrays: WHOLE[name](*map(np.asarray, arrays), **params)
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


@functools.cache
def scalar_derivative(name: str, x: float, times: int = 1, /, **params: Any) -> float:
    """The derivative of a function of one number, by differences with 400 digits."""
    with mp.workdps(400):
        h = mp.mpf(10) ** -60 * max(1, abs(mp.mpf(x)))
        point = mp.mpf(x)
        signs = [(-1) ** k * math.comb(times, k) for k in range(times + 1)]
        values = [
            SCALAR[name](point + (mp.mpf(times) / 2 - k) * h, **params) for k in range(times + 1)
        ]
        return float(mp.fsum(s * v for s, v in zip(signs, values, strict=True)) / h**times)
