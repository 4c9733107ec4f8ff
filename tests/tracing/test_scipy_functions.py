"""SciPy's Python functions on traced arrays: values, derivatives, however they are named."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.integrate as si
import scipy.linalg as sl
import scipy.signal as sg
import scipy.special as sc
import scipy.stats as st

import wengert
from tracing.support import Row, check_derivatives, check_value
from wengert.errors import MissingRuleError, TracingError, UnsupportedFunctionError
from wengert.tracing.replacing import install, versions
from wengert.tracing.scipy_distributions import CONTINUOUS, DISCRETE
from wengert.transforms.differentiate import derivative, grad

install()

V, M = (3,), (2, 3)
SPD, SQUARE, POSITIVE, UNIT = ("spd", 2, 2), ("square", 2, 2), ("positive", 3), ("unit", 3)

_FLAT = np.array([[1.0, 0.0], [0.0, 0.0]])

SPECIAL = [
    Row("logsumexp", lambda x: sc.logsumexp(x, axis=1, keepdims=True), (M,)),
    Row("logsumexp", lambda x, b: sc.logsumexp(x, b=b), (V, POSITIVE)),
    Row("softmax", lambda x: sc.softmax(x, axis=0), (M,)),
    Row("log_softmax", lambda x: sc.log_softmax(x, axis=1), (M,)),
    Row("multigammaln", lambda x: sc.multigammaln(x + 2.0, 3), (POSITIVE,)),
    Row("polygamma", lambda x: sc.polygamma(2, x), (POSITIVE,)),
    Row("zeta", lambda q: sc.zeta(2.5, q), (POSITIVE,)),
    Row("lambertw", lambda x: sc.lambertw(x).real, (POSITIVE,)),
    Row("comb", lambda n: sc.comb(n + 3.0, 2.0), (POSITIVE,)),
    Row("factorial", lambda n: sc.gamma(n + 1.0), (POSITIVE,)),
    Row("softplus", sc.softplus, (V,)),
]
LINALG = [
    *(Row(n, lambda a, n=n: getattr(sl, n)(a), (SQUARE,))
      for n in ("inv", "det", "pinv", "svdvals", "expm", "norm")),
    Row("sqrtm", lambda a: sl.sqrtm(a @ a), (SQUARE,)),
    Row("logm", lambda a: sl.logm(a @ a.T), (SQUARE,)),
    Row("lstsq", lambda a, b: sl.lstsq(a @ a.T, b)[0], (SQUARE, (2,))),
    Row("svd", lambda a: sl.svd(a, full_matrices=False), (SQUARE,)),
    Row("eigh", lambda a: sl.eigh(a)[1] ** 2, (SPD,)),
    Row("eigh", lambda a: sl.eigh(a, lower=False, eigvals_only=True), (SPD,)),
    Row("eigvalsh", sl.eigvalsh, (SPD,)),
    Row("cholesky", lambda a: sl.cholesky(a + a.T), (SPD,)),
    Row("cholesky", lambda a: sl.cholesky(a + a.T, lower=True), (SPD,)),
    Row("cho_factor", lambda a: np.triu(sl.cho_factor(a + a.T)[0]), (SPD,)),
    *(Row("cho_solve", lambda a, b, w=w: sl.cho_solve(sl.cho_factor(a + a.T, lower=w), b),
          (SPD, (2,))) for w in (False, True)),
    *(Row("solve_triangular", lambda a, b, kw=kw: sl.solve_triangular(a, b, **kw), (SQUARE, (2, 3)))
      for kw in ({}, {"lower": True}, {"trans": 1}, {"unit_diagonal": True, "trans": "T"})),
    Row("solve", sl.solve, (SQUARE, (2,))),
    Row("solve", lambda a, b: sl.solve(a, b, transposed=True), (SQUARE, (2,))),
    Row("solve", lambda a, b: sl.solve(a + a.T, b, assume_a="pos"), (SPD, (2,))),
    Row("solve_banded", lambda a, b: sl.solve_banded((1, 0), a, b), ((2, 3), V)),
    Row("qr", lambda a: tuple(sl.qr(a)), (SQUARE,)),
    Row("block_diag", lambda a, b: sl.block_diag(a, b, [[1.0]]), (SQUARE, M)),
    Row("solve_sylvester", sl.solve_sylvester, (SQUARE, SPD, (2, 2))),
    Row("toeplitz", sl.toeplitz, (V, (2,))),
    Row("toeplitz", sl.toeplitz, (V,)),
    Row("circulant", sl.circulant, (V,)),
]  # fmt: skip

SIGNAL = [
    *(Row(f.__name__, lambda a, b, f=f, m=m: f(a, b, m), shapes)
      for f in (sg.convolve, sg.correlate) for m in ("full", "same", "valid")
      for shapes in (((4, 3), (3, 2)), ((2,), (5,)))),
    Row("fftconvolve", sg.fftconvolve, ((3,), (2,))),
    Row("oaconvolve", sg.oaconvolve, ((3,), (2,))),
    *(Row(f.__name__, lambda a, b, f=f, m=m, e=e: f(a, b, m, e, 0.5), ((3, 3), (2, 3)))
      for f in (sg.convolve2d, sg.correlate2d) for m in ("full", "same", "valid")
      for e in ("fill", "wrap", "symm")),
]  # fmt: skip

TIMES = np.linspace(0.0, 0.6, 3)


def _decay(y: Any, t: Any, rates: Any, shift: Any) -> Any:
    return [-rates[0] * y[0] + np.sin(shift * t), rates[0] * y[0] - rates[1] * y[1] ** 2]


def _integrated(y0: Any, t: Any, rates: Any, shift: Any) -> Any:
    return si.odeint(_decay, y0, t, (rates, shift), rtol=1e-12, atol=1e-12)


INTEGRATE = [
    Row("odeint", lambda y0, rates, s: _integrated(y0, TIMES, rates, s), ((2,), ("unit", 2), ())),
    Row("odeint", lambda t: _integrated([1.0, 0.5], np.cumsum(t), [0.5, 0.7], 0.3), (UNIT,)),
    Row("odeint", lambda k: si.odeint(lambda t, y, k: -k * y, 1.0, TIMES, (k,), tfirst=True,
                                      rtol=1e-12, atol=1e-12), (("unit",),)),
]  # fmt: skip

DENSITIES = ("pdf", "logpdf", "cdf", "sf", "logcdf", "logsf")
STATS = [
    *(Row(f"norm.{n}", lambda x, m, s, n=n: getattr(st.norm, n)(x, m, s), (V, V, POSITIVE))
      for n in DENSITIES),
    *(Row(f"{d}.{n}", lambda x, d=d, n=n, p=p: getattr(getattr(st, d), n)(x, *p, loc=0.01), (UNIT,))
      for d, p in {"t": (2.5,), "beta": (1.5, 2.5), "gamma": (2.5,), "chi2": (3.0,), "expon": (),
                   "uniform": (), "laplace": (), "cauchy": (), "logistic": (),
                   "lognorm": (0.7,)}.items() for n in DENSITIES),
    Row("t.logpdf", st.t.logpdf, (V, POSITIVE, V, POSITIVE)),
    Row("t.cdf", lambda x: st.t.cdf(4.0 * x, 2.5), (V,)),
    Row("beta.logpdf", st.beta.logpdf, (UNIT, POSITIVE, POSITIVE)),
    Row("beta.cdf", st.beta.cdf, (UNIT, POSITIVE, POSITIVE)),
    Row("gamma.cdf", lambda x, a: st.gamma.cdf(x, a, scale=2.0), (POSITIVE, POSITIVE)),
    Row("chi2.sf", st.chi2.sf, (POSITIVE, POSITIVE)),
    Row("gamma.logpdf", lambda x, a: st.gamma.logpdf(x, a, scale=2.0), (POSITIVE, POSITIVE)),
    Row("lognorm.logpdf", st.lognorm.logpdf, (POSITIVE, POSITIVE)),
    Row("poisson.logpmf", lambda m: st.poisson.logpmf([0, 2, 5], m), (POSITIVE,)),
    Row("poisson.pmf", lambda m: st.poisson.pmf([0, 3, -1], m), (POSITIVE,)),
    Row("poisson.cdf", lambda m: st.poisson.cdf([0, 2, -1], m), (POSITIVE,)),
    Row("bernoulli.logpmf", lambda p: st.bernoulli.logpmf([0, 1, 1], p), (UNIT,)),
    Row("binom.logpmf", lambda p: st.binom.logpmf([0, 1, 4], 5, p), (UNIT,)),
    Row("outside", lambda x: st.gamma.pdf(-x, 2.0) + st.beta.cdf(3.0 * x, 2.0, 2.0), (POSITIVE,)),
    *(Row(f"multivariate_normal.{n}",
          lambda x, m, c, n=n: getattr(st.multivariate_normal, n)(x, m, c + c.T),
          ((3, 2), (2,), SPD)) for n in ("pdf", "logpdf")),
    Row("multivariate_normal.logpdf", lambda x: st.multivariate_normal.logpdf(x, cov=2.0), (V,)),
    Row("multivariate_normal.entropy",
        lambda c: st.multivariate_normal.entropy(np.zeros(2), c + c.T), (SPD,)),
    Row("multivariate_normal.logpdf",
        lambda x, m, c: st.multivariate_normal.logpdf(x, m, c + c.T, allow_singular=True),
        ((3, 2), (2,), SPD)),
    Row("multivariate_normal.pdf",
        lambda x: st.multivariate_normal.pdf([x[0], 0.0], [x[1], 0.0], x[2] ** 2 * _FLAT,
                                             allow_singular=True), (V,)),
    *(Row(f"dirichlet.{n}", lambda x, a, n=n: getattr(st.dirichlet, n)(x[:2] / np.sum(x), a),
          (POSITIVE, POSITIVE)) for n in ("pdf", "logpdf")),
    Row("frozen", lambda x: st.norm(0.5, 2.0).logpdf(x), (V,)),
]  # fmt: skip

ROWS = [*SPECIAL, *LINALG, *SIGNAL, *INTEGRATE, *STATS]
each = pytest.mark.parametrize("row", ROWS, ids=[f"{k}-{r.id}" for k, r in enumerate(ROWS)])


def test_everything_is_in_the_table() -> None:
    tested = {r.key for r in ROWS}
    assert {n for table in versions.values() for n in table} <= tested
    assert {*CONTINUOUS, *DISCRETE} <= {k.partition(".")[0] for k in tested}


@each
def test_value(row: Row) -> None:
    check_value(row)


@each
def test_derivatives(row: Row) -> None:
    check_derivatives(row)


def test_outside_of_the_support_the_density_is_0_with_derivative_0() -> None:
    found = derivative(st.poisson.logpmf, 1, order=0)([-1, 2.5, 7], 2.0)
    assert np.array_equal(found[:2], [-np.inf, -np.inf])
    assert np.array_equal(derivative(lambda x: st.expon.logpdf(-x))(1.0), 0.0)


def test_a_rate_that_branches_has_derivatives_of_order_1() -> None:
    def branching(y: Any, t: Any, k: Any) -> Any:
        return -k * y if y[0] > -1 else k * y

    end = lambda k: si.odeint(branching, 1.0, TIMES, (k,), rtol=1e-11, atol=1e-11)[-1, 0]  # noqa: E731
    assert np.isclose(grad(end)(0.5), -0.6 * np.exp(-0.3), rtol=1e-8)
    with pytest.raises(MissingRuleError):
        grad(grad(end))(0.5)


def test_a_rate_with_a_traced_value_from_around_it_is_an_error() -> None:
    for start in (1.0, lambda k: k):
        with pytest.raises(TracingError):
            grad(lambda k, s=start: si.odeint(
                lambda y, t: -k * y, s(k) if callable(s) else s, TIMES)[-1, 0])(0.5)  # fmt: skip


def test_off_the_support_of_a_singular_covariance_the_density_is_0() -> None:
    found = derivative(
        lambda x: st.multivariate_normal.logpdf(x, cov=_FLAT, allow_singular=True), order=0
    )(np.array([[0.5, 0.0], [0.5, 0.1]]))
    assert np.array_equal(np.isfinite(found), [True, False])


def test_plain_arguments_go_to_scipy() -> None:
    assert sc.logsumexp([0.0, 0.0]) == np.log(2.0)
    assert isinstance(st.norm.logpdf(0.0), float)
    assert sl.expm(np.zeros((2, 2), complex)).dtype == complex


NAMED_BEFORE = """
import functools, inspect, sys
import numpy as np
import scipy.integrate, scipy.linalg, scipy.signal, scipy.special, scipy.stats
import wengert.tracing.replacing as replacing
from wengert.tracing.scipy_distributions import methods_of_distributions

def told(f):
    return f"{f.__module__}.{f.__qualname__}{inspect.signature(f)}"

functions = [getattr(sys.modules[m], n) for m, names in replacing.versions.items() for n in names]
functions += [getattr(c, n) for c, n, _ in methods_of_distributions()]
signatures = [told(f) for f in functions]

from scipy.special import logsumexp
kept = {"f": logsumexp, "list": [scipy.special.logsumexp]}
bound, frozen = scipy.stats.norm.logpdf, scipy.stats.norm(0.5, 2.0).logpdf
partial = functools.partial(logsumexp, axis=0)
mean = np.mean

class Model:
    f = staticmethod(logsumexp)
    def __init__(self):
        self.g = scipy.special.logsumexp
    def __call__(self, x):
        return (self.f(x) + self.g(x)) / 2

def default(x, f=logsumexp):
    return f(x)

def by_keyword(x, *, f=logsumexp):
    return f(x)

def closure(f):
    return lambda x: f(x)

import wengert as wg
x = np.array([0.3, 0.5, 0.2])
e = np.exp(x) / np.sum(np.exp(x))
ways = [logsumexp, partial, Model(), default, by_keyword, closure(logsumexp), closure(partial),
        lambda x: kept["f"](x), lambda x: kept["list"][0](x),
        lambda x: list(map(logsumexp, [x]))[0],
        lambda x: mean([logsumexp(x), logsumexp(x)])]
for f in ways:
    for g in (wg.grad(f), wg.compile(wg.grad(f)), wg.jacobian(lambda x: f(x))):
        assert np.allclose(g(x), e), f
    assert np.allclose(wg.vmap(wg.grad(f))(np.stack([x, x])), e)
for f, slope in ((bound, -x), (frozen, (0.5 - x) / 4)):
    assert np.allclose(wg.grad(lambda x: np.sum(f(x)))(x), slope)
    assert np.allclose(np.diag(wg.jacobian(f)(x)), slope)
for f, before in zip(functions, signatures):
    assert replacing.original_of(f) is not f, before
    assert told(f) == before
print(len(functions))
"""


def test_functions_take_part_however_they_were_named_before() -> None:
    """Imports, aliases, defaults, closures, partials, dicts, attributes and bound methods."""
    place = str(Path(wengert.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", NAMED_BEFORE], capture_output=True, text=True, check=False,
        timeout=120, env={**os.environ, "PYTHONPATH": place, "WENGERT_ENGINE": "numpy"},
    )  # fmt: skip
    assert done.stdout.strip().isdigit(), done.stderr
    assert int(done.stdout) > 50


def test_installing_again_changes_nothing() -> None:
    before = (sc.logsumexp, sl.expm, st.rv_continuous.logpdf)
    threads = [threading.Thread(target=install) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert (sc.logsumexp, sl.expm, st.rv_continuous.logpdf) == before


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: sl.eigh(np.outer(x, x), np.eye(2)), "cholesky"),
        (lambda x: sl.qr(x[:, None]), "economic"),
        (lambda x: sl.lstsq(np.outer(x, x), x, cond=0.1), "cond"),
        (lambda x: st.pareto.logpdf(x, 2.0), "norm"),
        (lambda x: st.binom.cdf(2, 3, x), "density"),
        (lambda x: sc.logsumexp(x, return_sign=True), "return_sign"),
        (lambda x: sc.polygamma(x, 1.0), "order"),
        (lambda x: sg.fftconvolve(x, x, axes=0), "axes"),
        (lambda x: si.odeint(lambda y, t: -y, x, TIMES, full_output=True), "full_output"),
    ],
)
def test_what_is_not_supported_says_so(call: Any, words: str) -> None:
    with pytest.raises(UnsupportedFunctionError, match=words):
        derivative(call)(np.array([0.3, 0.8]))
