"""Random well-shaped expressions with the NumPy functions that they should equal.

Every production builds both sides, so a wrong rewrite in a constructor shows in the value and a
wrong rule in the derivative. Arguments are squeezed into the domains that operations declare.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st
from scipy import special

from operations.references import adjugate
from wengert.expr import Expr
from wengert.operations import (
    add,
    adj,
    broadcast,
    constant,
    contract,
    det,
    diag,
    diagonal,
    divide,
    elementwise,
    identity,
    inv,
    kron,
    logdet,
    logsumexp,
    matmul,
    matpow,
    max_,
    mean,
    min_,
    mul,
    norm1,
    norm2,
    outer,
    pinv,
    plus,
    power,
    power_general,
    prod,
    prodexcept,
    reshape,
    scale,
    softmax,
    sub,
    sum_,
    trace,
    transpose,
    variable,
    vec,
)
from wengert.primitive import registry

Shape = tuple[int, ...]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Pair:
    """An expression and the NumPy function that it should equal."""

    expr: Expr
    function: Callable[[Values], Any]
    text: str

    def __repr__(self) -> str:
        return self.text


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


# NumPy's versions of the unary functions; those of the registry that are missing here are drawn
# nowhere, which `test_random_expressions_cover_the_registry` reports.
UNARY: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "abs": np.abs,
    "sign": np.sign,
    "step": lambda x: (x > 0) * 1.0,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "arcsin": np.arcsin,
    "arccos": np.arccos,
    "arctan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "arcsinh": np.arcsinh,
    "arccosh": np.arccosh,
    "arctanh": np.arctanh,
    "sigmoid": _sigmoid,
    "softplus": lambda x: np.log1p(np.exp(-abs(x))) + np.maximum(x, 0),
    "relu": lambda x: np.maximum(x, 0),
    "normcdf": lambda x: special.erfc(-x / np.sqrt(2)) / 2,
    "normpdf": lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi),
    "gelu": lambda x: x * special.erfc(-x / np.sqrt(2)) / 2,
    "erf": special.erf,
    "erfc": special.erfc,
    "gammaln": special.gammaln,
    "digamma": special.digamma,
    "exp2": lambda x: np.exp(x * np.log(2)),
    "exp10": lambda x: np.exp(x * np.log(10)),
    "log2": lambda x: np.log(x) / np.log(2),
    "log10": lambda x: np.log(x) / np.log(10),
    "cbrt": lambda x: np.sign(x) * np.abs(x) ** (1 / 3),
    "sinc": np.sinc,
    "exprel": lambda x: np.where(x == 0, 1.0, np.expm1(x) / np.where(x == 0, 1.0, x)),
    "logratio": lambda x: np.where(x == 1, 1.0, np.log(x) / np.where(x == 1, 1.0, x - 1)),
    "logit": lambda x: np.log(x / (1 - x)),
    "log_expit": lambda x: -np.logaddexp(0.0, -x),
    "entr": lambda x: -special.xlogy(x, x),
    "invmills": lambda x: np.exp(-(x**2) / 2 - special.log_ndtr(x)) / np.sqrt(2 * np.pi),
    "cosm1": lambda x: -2 * np.sin(x / 2) ** 2,
    "sindg": lambda x: np.sin(np.radians(x)),
    "cosdg": lambda x: np.cos(np.radians(x)),
    "tandg": lambda x: np.tan(np.radians(x)),
    "sinint": lambda x: special.sici(x)[0],
    "cosint": lambda x: special.sici(x)[1],
    "sinhint": lambda x: special.shichi(x)[0],
    "fresnels": lambda x: special.fresnel(x)[0],
    "fresnelc": lambda x: special.fresnel(x)[1],
    **{
        name: getattr(special, name)
        for name in [
            "erfi",
            "erfinv",
            "erfcinv",
            "erfcx",
            "dawsn",
            "log_ndtr",
            "ndtri",
            "ndtri_exp",
            "wrightomega",
            "gamma",
            "loggamma",
            "rgamma",
            "expi",
            "exp1",
            "spence",
            "j0",
            "j1",
            "y0",
            "y1",
            "i0",
            "i1",
            "k0",
            "k1",
            "i0e",
            "i1e",
            "k0e",
            "k1e",
            "ellipk",
            "ellipe",
        ]
    },
}
SMOOTH = [n for n in UNARY if registry[n].smooth]
KINKED = [n for n in UNARY if not registry[n].smooth]
COMMON = ["exp", "tanh", "sin", "log", "sigmoid", "softplus"]
RATIONALS = [Fraction(2), Fraction(-1), Fraction(1, 2), Fraction(-3, 2), Fraction(3)]


@dataclass(frozen=True)
class Sizes:
    n: int
    m: int

    @property
    def variables(self) -> dict[str, Shape]:
        n, m = self.n, self.m
        return {
            "a": (),
            "b": (),
            "x": (n,),
            "y": (n,),
            "z": (m,),
            "A": (n, n),
            "C": (n, n),
            "B": (n, m),
        }

    def values(self, seed: int = 0) -> dict[str, Any]:
        rng = np.random.default_rng(seed)
        return {
            k: rng.uniform(0.3, 1.3, s) * rng.choice([-1.0, 1.0], s)
            for k, s in self.variables.items()
        }


class Builder:
    """Draws expressions of a wanted shape."""

    def __init__(self, draw: st.DrawFn, sizes: Sizes, *, kinks: bool) -> None:
        self.draw = draw
        self.sizes = sizes
        self.unary = [*COMMON, *SMOOTH, *(KINKED * 2 if kinks else [])]
        self.kinks = kinks
        self.made: dict[Shape, list[Pair]] = {}

    def pick(self, options: list[Any]) -> Any:
        return self.draw(st.sampled_from(options))

    def make(self, shape: Shape, depth: int) -> Pair:
        """An expression of that shape, at most ``depth`` operations deep."""
        known = self.made.setdefault(shape, [])
        if known and self.draw(st.integers(0, 5)) == 0:
            return self.pick(known)  # a shared part
        if depth <= 0:
            pair = self.leaf(shape)
        else:
            general = [self.unary_, self.unary_, self.sum, self.sum, self.product, self.multiple,
                       self.power, self.binary, self.scaled]  # fmt: skip
            own = [self.scalar, self.vector, self.matrix][len(shape)]
            pair = self.pick([*general, own, own, own, own, own, own])(shape, depth - 1)
        assert pair.expr.shape == shape, f"{pair.text}: {pair.expr.shape} is not {shape}"
        known.append(pair)
        return pair

    # -------------------------------------------------------------- leaves

    def leaf(self, shape: Shape) -> Pair:
        names = [k for k, s in self.sizes.variables.items() if s == shape]
        if not names or self.draw(st.integers(0, 9)) == 0:
            return self.constant(shape)
        name = self.pick(names)
        return Pair(variable(name, shape), lambda v: v[name], name)

    def constant(self, shape: Shape) -> Pair:
        value = self.pick(RATIONALS)
        if len(shape) == 2 and shape[0] == shape[1] and self.draw(st.booleans()):
            return Pair(
                scale(value, identity(shape[0])),
                lambda v: float(value) * np.eye(shape[0]),
                f"{value} I",
            )
        return Pair(
            broadcast(constant(value), shape), lambda v: np.full(shape, float(value)), f"{value}"
        )

    # -------------------------------------------------------------- any shape

    def squeezed(self, pair: Pair, low: float, high: float) -> Pair:
        """low + (high − low) σ(·): within a domain, smoothly."""
        width, base = (
            Fraction(high - low).limit_denominator(64),
            Fraction(low).limit_denominator(64),
        )
        inner = elementwise("sigmoid", pair.expr)
        expr = (
            plus(scale(width, inner), constant(base))
            if pair.expr.ndim
            else add([scale(width, inner), constant(base)])
        )
        return Pair(
            expr,
            lambda v: float(base) + float(width) * _sigmoid(pair.function(v)),
            f"({base} + {width} σ({pair.text}))",
        )

    def unary_(self, shape: Shape, depth: int) -> Pair:
        name = self.pick(self.unary)
        inner = self.make(shape, depth)
        domain = registry[name].domains[0]
        if (domain.low, domain.high) != (-2.0, 2.0) or self.draw(st.integers(0, 2)) == 0:
            inner = self.squeezed(inner, domain.low, domain.high)
        function = UNARY[name]
        return Pair(
            elementwise(name, inner.expr),
            lambda v: function(inner.function(v)),
            f"{name}({inner.text})",
        )

    def sum(self, shape: Shape, depth: int) -> Pair:
        first, second = self.make(shape, depth), self.make(shape, depth)
        c, d = (
            self.pick([*RATIONALS, Fraction(1), Fraction(1)]),
            self.pick([Fraction(1), Fraction(-1)]),
        )
        return Pair(
            add([first.expr, second.expr], [c, d]),
            lambda v: float(c) * first.function(v) + float(d) * second.function(v),
            f"({c} {first.text} + {d} {second.text})",
        )

    def product(self, shape: Shape, depth: int) -> Pair:
        first, second = self.make(shape, depth), self.make(shape, depth)
        return Pair(
            mul(first.expr, second.expr),
            lambda v: first.function(v) * second.function(v),
            f"({first.text} .* {second.text})",
        )

    def multiple(self, shape: Shape, depth: int) -> Pair:
        c, inner = self.pick(RATIONALS), self.make(shape, depth)
        return Pair(
            scale(c, inner.expr), lambda v: float(c) * inner.function(v), f"{c}·{inner.text}"
        )

    def scaled(self, shape: Shape, depth: int) -> Pair:
        factor, inner = self.make((), depth), self.make(shape, depth)
        return Pair(
            mul(factor.expr, inner.expr),
            lambda v: factor.function(v) * inner.function(v),
            f"({factor.text} · {inner.text})",
        )

    def power(self, shape: Shape, depth: int) -> Pair:
        inner = self.make(shape, depth)
        exponent = self.pick(
            [Fraction(2), Fraction(3), Fraction(2), Fraction(-1), Fraction(1, 2), Fraction(-3, 2)]
        )
        if exponent < 0 or exponent.denominator != 1:
            inner = self.squeezed(inner, 0.5, 2.0)
        return Pair(
            power(inner.expr, exponent),
            lambda v: np.asarray(inner.function(v), dtype=float) ** float(exponent),
            f"{inner.text}^({exponent})",
        )

    def binary(self, shape: Shape, depth: int) -> Pair:
        kind = self.pick(
            ["xlogy", "pow", "divide", *(["maximum", "minimum"] if self.kinks else [])]
        )
        first, second = self.make(shape, depth), self.make(shape, depth)
        if kind == "xlogy":
            second = self.squeezed(second, 0.25, 2.0)
            expr, numpy = elementwise("xlogy", first.expr, second.expr), lambda p, q: p * np.log(q)
        elif kind == "pow":
            first = self.squeezed(first, 0.25, 2.0)
            second = self.squeezed(second, -2.0, 2.0)
            expr, numpy = power_general(first.expr, second.expr), np.power
        elif kind == "divide":
            second = self.squeezed(second, 0.5, 2.0)
            expr, numpy = divide(first.expr, second.expr), np.divide
        else:
            expr = elementwise(kind, first.expr, second.expr)
            numpy = {"maximum": np.maximum, "minimum": np.minimum}[kind]
        return Pair(
            expr,
            lambda v: numpy(first.function(v), second.function(v)),
            f"{kind}({first.text}, {second.text})",
        )

    # -------------------------------------------------------------- by rank

    def size(self) -> int:
        return self.pick([self.sizes.n, self.sizes.m])

    def positive_definite_like(self, k: int, depth: int) -> Pair:
        """A well-conditioned matrix with a positive determinant: tanh(G) + 3k I."""
        inner = self.make((k, k), depth)
        return Pair(
            add([elementwise("tanh", inner.expr), identity(k)], [1, 3 * k]),
            lambda v: np.tanh(inner.function(v)) + 3 * k * np.eye(k),
            f"(tanh({inner.text}) + {3 * k} I)",
        )

    def scalar(self, shape: Shape, depth: int) -> Pair:
        k, l = self.size(), self.size()  # noqa: E741
        kind = self.pick([
            "sum", "mean", "dot", "dot", "quadratic", "trace", "trace of product", "logsumexp",
            "norm2",            "frobenius", "prod", "det", "logdet", "sum of matrix",
            *(["max", "min", "norm1"] if self.kinks else []),
        ])  # fmt: skip
        match kind:
            case "dot":
                u, w = self.make((k,), depth), self.make((k,), depth)
                return Pair(
                    matmul(u.expr, w.expr), lambda v: u.function(v) @ w.function(v), f"{u}'*{w}"
                )
            case "quadratic":
                u, G, w = (
                    self.make((k,), depth),
                    self.make((k, l), depth - 1),
                    self.make((l,), depth),
                )
                return Pair(
                    matmul(matmul(u.expr, G.expr), w.expr),
                    lambda v: u.function(v) @ G.function(v) @ w.function(v),
                    f"{u}'*{G}*{w}",
                )
            case "trace":
                G = self.make((k, k), depth)
                return Pair(trace(G.expr), lambda v: np.trace(G.function(v)), f"tr({G})")
            case "trace of product":
                G, H = self.make((k, l), depth), self.make((l, k), depth)
                return Pair(
                    trace(matmul(G.expr, H.expr)),
                    lambda v: np.trace(G.function(v) @ H.function(v)),
                    f"tr({G}*{H})",
                )
            case "det":
                G = self.positive_definite_like(k, depth - 1)
                if self.draw(st.booleans()):
                    G = self.leaf((k, k))
                return Pair(det(G.expr), lambda v: np.linalg.det(G.function(v)), f"det({G})")
            case "logdet":
                G = self.positive_definite_like(k, depth)
                return Pair(
                    logdet(G.expr), lambda v: np.log(np.linalg.det(G.function(v))), f"logdet({G})"
                )
            case "frobenius" | "sum of matrix":
                G = self.make((k, l), depth)
                if kind == "frobenius":
                    return Pair(norm2(G.expr), lambda v: np.linalg.norm(G.function(v)), f"‖{G}‖")
                return Pair(sum_(G.expr), lambda v: np.sum(G.function(v)), f"sum({G})")
        u = self.make((k,), depth)
        expr, numpy = {
            "sum": (sum_, np.sum),
            "mean": (mean, np.mean),
            "logsumexp": (logsumexp, lambda x: np.log(np.sum(np.exp(x - np.max(x)))) + np.max(x)),
            "norm2": (norm2, np.linalg.norm),
            "prod": (prod, np.prod),
            "max": (max_, np.max),
            "min": (min_, np.min),
            "norm1": (norm1, lambda x: np.sum(np.abs(x))),
        }[kind]
        return Pair(expr(u.expr), lambda v: numpy(u.function(v)), f"{kind}({u})")

    def vector(self, shape: Shape, depth: int) -> Pair:
        (k,) = shape
        l = self.size()  # noqa: E741
        kind = self.pick([
            "product", "product", "row product", "softmax", "diagonal", "sum", "columns", "solve",
            "norms",
            "logsumexp", "prodexcept", "reshape", "prods", *(["max"] if self.kinks else []),
        ])  # fmt: skip
        match kind:
            case "product":
                G, u = self.make((k, l), depth), self.make((l,), depth)
                return Pair(
                    matmul(G.expr, u.expr), lambda v: G.function(v) @ u.function(v), f"{G}*{u}"
                )
            case "row product":
                u, G = self.make((l,), depth), self.make((l, k), depth)
                return Pair(
                    matmul(u.expr, G.expr), lambda v: u.function(v) @ G.function(v), f"{u}'*{G}"
                )
            case "softmax":
                u = self.make((k,), depth)
                return Pair(
                    softmax(u.expr),
                    lambda v: special.softmax(np.asarray(u.function(v), dtype=float)),
                    f"softmax({u})",
                )
            case "diagonal":
                G = self.make((k, k), depth)
                return Pair(
                    diagonal(G.expr), lambda v: np.diag(G.function(v)).copy(), f"diagonal({G})"
                )
            case "solve":
                G, u = self.positive_definite_like(k, depth), self.make((k,), depth)
                return Pair(
                    matmul(inv(G.expr), u.expr),
                    lambda v: np.linalg.solve(G.function(v), u.function(v)),
                    f"inv({G})*{u}",
                )
            case "prodexcept":
                u = self.make((k,), depth)
                return Pair(
                    prodexcept(u.expr),
                    lambda v: np.array([np.prod(np.delete(u.function(v), i)) for i in range(k)]),
                    f"prodexcept({u})",
                )
            case "columns":
                G = self.make((l, k), depth)
                return Pair(
                    sum_(G.expr, 0), lambda v: np.sum(G.function(v), axis=0), f"sum({G}, 0)"
                )
            case "reshape" if k == self.sizes.n and self.sizes.m == 1:
                G = self.make((k, 1), depth)
                return Pair(vec(G.expr), lambda v: np.reshape(G.function(v), k), f"vec({G})")
        G = self.make((k, l), depth)
        expr, numpy = {
            "sum": (sum_, np.sum),
            "reshape": (mean, np.mean),
            "norms": (norm2, lambda x, axis: np.sqrt(np.sum(x**2, axis=axis))),
            "logsumexp": (logsumexp, special.logsumexp),
            "prods": (prod, np.prod),
            "max": (max_, np.max),
        }[kind]
        return Pair(expr(G.expr, 1), lambda v: numpy(G.function(v), axis=1), f"{kind}({G}, 1)")

    def matrix(self, shape: Shape, depth: int) -> Pair:
        k, l = shape  # noqa: E741
        square = (
            ["diag", "symmetric", "inv", "adj", "pinv", "plus identity", "matpow"] if k == l else []
        )
        kind = self.pick([
            "product", "product", "product", "transpose", "outer", "rows", "columns", "softmax",
            "scaled rows",
            "gram", "kron", "reshape", "einsum", *square,
        ])  # fmt: skip
        j = self.size()
        match kind:
            case "transpose":
                G = self.make((l, k), depth)
                return Pair(transpose(G.expr), lambda v: G.function(v).T, f"{G}'")
            case "outer":
                u, w = self.make((k,), depth), self.make((l,), depth)
                return Pair(
                    outer(u.expr, w.expr),
                    lambda v: np.outer(u.function(v), w.function(v)),
                    f"{u}*{w}'",
                )
            case "rows":
                u = self.make((l,), depth)
                return Pair(
                    broadcast(u.expr, (k, l)),
                    lambda v: np.tile(u.function(v), (k, 1)),
                    f"rows({u})",
                )
            case "columns":
                u = self.make((k,), depth)
                return Pair(
                    transpose(broadcast(u.expr, (l, k))),
                    lambda v: np.tile(u.function(v), (l, 1)).T,
                    f"columns({u})",
                )
            case "softmax":
                G = self.make((k, l), depth)
                return Pair(
                    softmax(G.expr, 0),
                    lambda v: special.softmax(np.asarray(G.function(v), dtype=float), axis=0),
                    f"softmax({G}, 0)",
                )
            case "scaled rows":
                u, G = self.make((k,), depth), self.make((k, l), depth)
                return Pair(
                    matmul(diag(u.expr), G.expr),
                    lambda v: u.function(v)[:, None] * G.function(v),
                    f"diag({u})*{G}",
                )
            case "gram" if k == l:
                G = self.make((k, j), depth)
                return Pair(
                    matmul(G.expr, transpose(G.expr)),
                    lambda v: G.function(v) @ G.function(v).T,
                    f"{G}*{G}'",
                )
            case "kron":
                G, H = self.make((k, 1), depth), self.make((1, l), depth)
                if self.draw(st.booleans()):
                    G, H = self.make((1, l), depth), self.make((k, 1), depth)
                return Pair(
                    kron(G.expr, H.expr),
                    lambda v: np.kron(G.function(v), H.function(v)),
                    f"kron({G}, {H})",
                )
            case "reshape":
                G = self.make((l, k), depth)
                return Pair(
                    reshape(G.expr, (k, l)),
                    lambda v: np.reshape(G.function(v), (k, l)),
                    f"reshape({G})",
                )
            case "einsum":
                G, H, u = self.make((j, k), depth), self.make((l, j), depth), self.make((j,), depth)
                return Pair(
                    contract([G.expr, H.expr, u.expr], [(0, 1), (2, 0), (0,)], (1, 2)),
                    lambda v: np.einsum("jk,lj,j->kl", G.function(v), H.function(v), u.function(v)),
                    f"einsum({G}, {H}, {u})",
                )
            case "diag":
                u = self.make((k,), depth)
                return Pair(diag(u.expr), lambda v: np.diag(u.function(v)), f"diag({u})")
            case "symmetric":
                G = self.make((k, k), depth)
                return Pair(
                    add([G.expr, transpose(G.expr)]),
                    lambda v: G.function(v) + G.function(v).T,
                    f"sym({G})",
                )
            case "plus identity":
                G = self.make((k, k), depth)
                return Pair(
                    sub(G.expr, identity(k)), lambda v: G.function(v) - np.eye(k), f"({G} - I)"
                )
            case "inv" | "adj" | "pinv":
                G = self.positive_definite_like(k, depth)
                expr, numpy = {
                    "inv": (inv, np.linalg.inv), "adj": (adj, adjugate),
                    "pinv": (pinv, np.linalg.inv),
                }[kind]  # fmt: skip
                return Pair(expr(G.expr), lambda v: numpy(G.function(v)), f"{kind}({G})")
            case "matpow":
                G = self.make((k, k), depth)
                return Pair(
                    matpow(G.expr, 3),
                    lambda v: np.linalg.matrix_power(G.function(v), 3),
                    f"matpow({G}, 3)",
                )
        G, H = self.make((k, j), depth), self.make((j, l), depth)
        return Pair(matmul(G.expr, H.expr), lambda v: G.function(v) @ H.function(v), f"{G}*{H}")


@dataclass(frozen=True)
class Sample:
    """A random expression with sizes and values at which it is finite."""

    pair: Pair
    sizes: Sizes
    values: dict[str, Any]

    @property
    def depends_on(self) -> list[str]:
        from wengert.expr import topological

        found = {n.params[0] for n in topological(self.pair.expr) if n.name == "variable"}
        return sorted(str(name) for name in found)

    @property
    def expected(self) -> Any:
        with np.errstate(all="ignore"):
            return np.asarray(self.pair.function(self.values), dtype=float)

    @property
    def tame(self) -> bool:
        """Are the value and its size such that differences mean something?"""
        return bool(np.isfinite(self.expected).all() and np.abs(self.expected).max(initial=0) < 1e4)


@st.composite
def samples(
    draw: st.DrawFn, depth: int = 6, *, kinks: bool = False, ranks: tuple[int, ...] = (0, 0, 1, 2)
) -> Sample:
    """Expressions up to ``depth`` operations deep, over scalars, vectors and matrices of 1 to 3."""
    sizes = Sizes(draw(st.sampled_from([2, 3, 1])), draw(st.sampled_from([2, 3, 1])))
    rank = draw(st.sampled_from(ranks))
    shape = (sizes.n, sizes.m)[:rank]
    pair = Builder(draw, sizes, kinks=kinks).make(shape, draw(st.integers(2, depth)))
    return Sample(pair, sizes, sizes.values(zlib.crc32(pair.text.encode())))
