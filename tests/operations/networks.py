"""Random networks for property tests: operands as (expression, array) pairs, labels, outputs.

`dense` evaluates a raw network with ``np.einsum`` alone: a repeated output label becomes an
identity matrix, a free one a vector of ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from wengert.assumptions import Assumption
from wengert.expr import Expr
from wengert.operations import (
    add,
    contract,
    elementwise,
    identity,
    inv,
    kron,
    norm2,
    ones,
    power,
    reshape,
    scale,
    transpose,
    variable,
    vec,
)
from wengert.shapes import Shape, symbol

N, M = 3, 2
SIZES = {"n": N, "m": M}
EXTENT = {**SIZES, "q": N * M}  # of an axis by its kind; "q" is two merged axes
SYMMETRIC = frozenset({Assumption.SYMMETRIC})
ORTHOGONAL = frozenset({Assumption.ORTHOGONAL})
POSITIVE = frozenset({Assumption.POSITIVE})
DIAGONAL = frozenset({Assumption.SYMMETRIC, Assumption.DIAGONAL})


@dataclass(frozen=True)
class Operand:
    """An expression with the array that it equals; ``kinds`` has "n", "m" or "q" an axis."""

    expr: Expr
    array: Any
    kinds: str


def dense(
    arrays: Sequence[Any],
    labels: Sequence[Sequence[int]],
    out: Sequence[int],
    sizes: dict[int, int],
    coefficient: Fraction,
) -> Any:
    """The raw network, by einsum of its operands, identities and ones."""
    arguments: list[Any] = []
    used: set[int] = set()
    for array, axes in zip(arrays, labels, strict=True):
        arguments += [array, list(axes)]
        used.update(axes)
    fresh = max([*used, *out, 0]) + 1
    distinct: list[int] = []
    for label in out:
        if label not in distinct:
            distinct.append(label)
            if label not in used:
                arguments += [np.ones(sizes[label]), [label]]
            continue
        arguments += [np.eye(sizes[label]), [label, fresh]]
        distinct.append(fresh)
        fresh += 1
    if not arguments:
        return float(coefficient) * np.ones(())
    return float(coefficient) * np.einsum(*arguments, distinct)


def extents(*, symbolic: bool) -> dict[str, Any]:
    """The size of an axis by its kind."""
    if not symbolic:
        return dict(EXTENT)
    n, m = symbol("n"), symbol("m")
    return {"n": n, "m": m, "q": n * m}


def leaves(*, symbolic: bool = False, seed: int = 0) -> tuple[dict[str, Any], dict[str, Operand]]:
    """Arrays by name, and the variables: scalars, vectors, matrices, rank 3."""
    rng = np.random.default_rng(seed)
    size = extents(symbolic=symbolic)
    kinds = {"g": "q", "s": "", "x": "n", "y": "n", "z": "m", "p": "n", "A": "nn", "B": "nm",
             "S": "nn", "Q": "nn", "T": "nnm", "D": "nn"}  # fmt: skip
    assumed = {"S": SYMMETRIC, "Q": ORTHOGONAL, "p": POSITIVE, "D": DIAGONAL}
    values: dict[str, Any] = {}
    found: dict[str, Operand] = {}
    for name, kind in kinds.items():
        extent = [EXTENT[k] for k in kind]
        array = rng.uniform(0.5, 1.5, extent) * rng.choice([-1.0, 1.0], extent)
        match name:
            case "S":
                array = (array + array.T) / 2
            case "Q":
                array = np.linalg.qr(array)[0]
            case "p":
                array = np.abs(array)
            case "D":
                array = np.diag(np.diag(array))
            case "A":
                array = array + 3 * np.eye(N)
        values[name] = array
        shape: Shape = tuple(size[k] for k in kind)
        found[name] = Operand(variable(name, shape, assumed.get(name, frozenset())), array, kind)
    return values, found


def operands(*, symbolic: bool = False, seed: int = 0) -> tuple[dict[str, Any], list[Operand]]:
    """The variables and simple expressions of them: powers, functions, inverses, sums, patterns."""
    values, v = leaves(symbolic=symbolic, seed=seed)
    size = extents(symbolic=symbolic)
    n, m, q_ = size["n"], size["m"], size["q"]
    g, gg = v["g"].expr, v["g"].array
    A, B, S, x, y, z, p, s, T, Q = (v[k].expr for k in "ABSxyzpsTQ")
    a, b, sym, xx, yy, zz, pp, ss, t, q = (v[k].array for k in "ABSxyzpsTQ")
    half = Fraction(1, 2)
    ab, gram = (
        contract([A, B], [(0, 1), (1, 2)], (0, 2)),
        contract([B, B], [(0, 1), (2, 1)], (0, 2)),
    )
    more = [
        (power(x, 2), xx**2, "n"),
        (power(x, -1), 1 / xx, "n"),
        (power(p, half), np.sqrt(pp), "n"),
        (power(p, -half), 1 / np.sqrt(pp), "n"),
        (power(s, -1), 1 / ss, ""),
        (power(s, 3), ss**3, ""),
        (power(A, 2), a**2, "nn"),
        (power(S, 2), sym**2, "nn"),
        (elementwise("exp", x), np.exp(xx), "n"),
        (elementwise("exp", scale(2, x)), np.exp(2 * xx), "n"),
        (elementwise("exp", S), np.exp(sym), "nn"),
        (elementwise("sin", z), np.sin(zz), "m"),
        (inv(A), np.linalg.inv(a), "nn"),
        (inv(S), np.linalg.inv(sym), "nn"),
        (transpose(A), a.T, "nn"),
        (transpose(B), b.T, "mn"),
        (transpose(Q), q.T, "nn"),
        (inv(Q), q.T, "nn"),
        (scale(Fraction(-2, 3), A), -2 / 3 * a, "nn"),
        (add([x, y]), xx + yy, "n"),
        (add([x, y], [2, -4]), 2 * xx - 4 * yy, "n"),
        (add([y, x], [-1, -3]), -yy - 3 * xx, "n"),
        (add([A, transpose(A)]), a + a.T, "nn"),
        (add([A, transpose(A)], [1, -1]), a - a.T, "nn"),
        (add([A, S], [1, -2]), a - 2 * sym, "nn"),
        (add([A, identity(size["n"])]), a + np.eye(N), "nn"),
        (add([A, identity(size["n"])], [1, -half]), a - np.eye(N) / 2, "nn"),
        (add([ones((size["n"],)), x]), 1 + xx, "n"),
        (add([s, ones(())]), ss + 1, ""),
        (ab, a @ b, "nm"),
        (gram, b @ b.T, "nn"),
        (power(gram, 2), (b @ b.T) ** 2, "nn"),
        (power(contract([A, x], [(0, 1), (1,)], (0,)), 2), (a @ xx) ** 2, "n"),
        (power(add([x, y]), 2), (xx + yy) ** 2, "n"),
        (power(add([ones((size["n"],)), power(x, 2)]), -1), 1 / (1 + xx**2), "n"),
        (contract([x], [(0,)], (0, 0)), np.diag(xx), "nn"),
        (contract([A], [(0, 0)], (0,)), np.diag(a), "n"),
        (contract([A], [(0, 0)], (0, 0)), np.diag(np.diag(a)), "nn"),
        (contract([A], [(0, 0)], ()), np.trace(a), ""),
        (contract([x], [(0,)], (1, 0), sizes={1: size["m"]}), np.tile(xx, (M, 1)), "mn"),
        (identity(size["n"]), np.eye(N), "nn"),
        (ones((size["m"],)), np.ones(M), "m"),
        (norm2(x), np.linalg.norm(xx), ""),
        (power(norm2(x), -1), 1 / np.linalg.norm(xx), ""),
        (norm2(B, 1), np.linalg.norm(b, axis=1), "n"),
        (contract([x, x], [(0,), (0,)], ()), xx @ xx, ""),
        (contract([T, x], [(0, 1, 2), (1,)], (2, 0)), np.einsum("ijk,j->ki", t, xx), "mn"),
        (contract([x, A, y], [(0,), (1, 2), (2,)], (0, 1)), np.outer(xx, a @ yy), "nn"),
    ]
    merged = [
        (reshape(B, (q_,)), b.ravel(), "q"),
        (vec(B), b.T.ravel(), "q"),
        (reshape(g, (n, m)), gg.reshape(N, M), "nm"),
        (reshape(g, (m, n)), gg.reshape(M, N), "mn"),
        (reshape(contract([x, z], [(0,), (1,)], (0, 1)), (q_,)), np.outer(xx, zz).ravel(), "q"),
        (kron(A, identity(m)), np.kron(a, np.eye(M)), "qq"),
        (kron(identity(m), S), np.kron(np.eye(M), sym), "qq"),
        (kron(x, z), np.kron(xx, zz), "q"),
        (reshape(T, (q_,), axes=2), t.reshape(N, N * M), "nq"),
        (reshape(ab, (q_,)), (a @ b).ravel(), "q"),
        (power(reshape(B, (q_,)), 2), b.ravel() ** 2, "q"),
        (add([reshape(B, (q_,)), g], [1, -2]), b.ravel() - 2 * gg, "q"),
        (identity(q_), np.eye(N * M), "qq"),
        (reshape(identity(q_), (n, m), axes=1), np.eye(N * M).reshape(-1, N, M), "qnm"),
        (
            reshape(contract([], [], (0, 1, 0), sizes={0: n, 1: m}), (q_,), axes=2),
            np.einsum("ik,j->ijk", np.eye(N), np.ones(M)).reshape(N, N * M),
            "nq",
        ),
    ]
    found = [*v.values(), *(Operand(e, np.asarray(arr), kind) for e, arr, kind in more + merged)]
    return values, found


@dataclass(frozen=True)
class Network:
    """The arguments of a contraction, and the value that it should have."""

    operands: tuple[Operand, ...]
    labels: tuple[tuple[int, ...], ...]
    out: tuple[int, ...]
    kinds: dict[int, str]
    coefficient: Fraction

    def _dense(self, arrays: Sequence[Any], coefficient: Fraction) -> Any:
        sizes = {x: EXTENT[k] for x, k in self.kinds.items()}
        return dense(arrays, self.labels, self.out, sizes, coefficient)

    @property
    def expected(self) -> Any:
        return self._dense([o.array for o in self.operands], self.coefficient)

    def check(self, got: Any, tolerance: float = 1e-11) -> None:
        """Equal but for rounding: relative to the sum of the absolute values of all products."""
        expected = self.expected
        assert np.shape(got) == expected.shape
        arrays = [np.abs(o.array) for o in self.operands]
        magnitude = self._dense(arrays, abs(self.coefficient)).max(initial=0.0)
        gap = np.abs(got - expected).max(initial=0.0)
        assert gap <= tolerance * magnitude, f"{got}\nexpected\n{expected}"

    def build(self, *, symbolic: bool = False, deep: bool = False) -> Expr:
        size = extents(symbolic=symbolic)
        return contract(
            [o.expr for o in self.operands],
            self.labels,
            self.out,
            sizes={x: size[self.kinds[x]] for x in self.out},
            coefficient=self.coefficient,
            deep=deep,
        )

    def permuted(self, order: Sequence[int], renaming: Sequence[int]) -> Network:
        """Operands in another order, labels renamed."""
        return Network(
            tuple(self.operands[k] for k in order),
            tuple(tuple(renaming[x] for x in self.labels[k]) for k in order),
            tuple(renaming[x] for x in self.out),
            {renaming[x]: kind for x, kind in self.kinds.items()},
            self.coefficient,
        )

    @property
    def operand(self) -> Operand:
        return Operand(self.build(), self.expected, "".join(self.kinds[x] for x in self.out))


LABELS = 10
COEFFICIENTS = st.sampled_from(
    [Fraction(1)] * 6 + [Fraction(-1), Fraction(2), Fraction(-3, 2), Fraction(1, 7), Fraction(0)]
)


@st.composite
def networks(
    draw: st.DrawFn, pool: Sequence[Operand], most: int = 4, rank: int = 3, free: bool = True
) -> Network:
    """A contraction of up to ``most`` operands of a pool; labels repeat freely."""
    count = draw(st.integers(0, most))
    chosen = [draw(st.sampled_from(pool)) for _ in range(count)]
    kinds = dict(enumerate("nnnnnmmmqq"))
    of_kind = {k: [x for x in kinds if kinds[x] == k] for k in EXTENT}
    labels = [tuple(draw(st.sampled_from(of_kind[k])) for k in o.kinds) for o in chosen]
    used = sorted({x for axes in labels for x in axes})
    available = list(kinds) if free or not used else used
    weighted = used * 3 + available
    out = tuple(draw(st.lists(st.sampled_from(weighted), max_size=rank)))
    return Network(tuple(chosen), tuple(labels), out, kinds, draw(COEFFICIENTS))


@st.composite
def nested(draw: st.DrawFn, pool: Sequence[Operand], depth: int = 3) -> Operand:
    """A contraction of contractions and sums of contractions, ``depth`` levels of them."""
    local = list(pool)
    result = draw(networks(local, most=3)).operand
    for _ in range(draw(st.integers(0, depth))):
        local = [*local, *([result] * (len(local) // 2))]
        kind = draw(st.integers(0, 3))
        if kind == 0:
            other = draw(networks(local, most=2, rank=3)).operand
            if other.kinds == result.kinds:
                c, d = draw(COEFFICIENTS), draw(COEFFICIENTS)
                total = add([result.expr, other.expr], [c, d])
                value = float(c) * result.array + float(d) * other.array
                result = Operand(total, value, result.kinds)
                continue
        if kind == 1:
            exponent = draw(st.sampled_from([2, 3]))
            result = Operand(power(result.expr, exponent), result.array**exponent, result.kinds)
            continue
        result = draw(networks(local, most=3)).operand
    return result
