"""Factorisations and linear systems as routines, for back ends that generate code.

LAPACK stores matrices by columns, so that it sees the transpose of what lies in memory. A matrix
that is singular, or nearly so, is refused: the reference tells what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from typing import Any

import numpy as np

from wengert.operations.written import Arrays, Cells, Code, Lanes, over_batch

_SAFE = 100  # times ε: smaller reciprocal condition numbers are the reference's to judge
_BOUNDED = 64  # rows up to which a bound of the condition number may do
_BLOCK = 64  # columns that LAPACK works on at once
_FEW_ROWS = 32  # of a matrix that LAPACK inverts by itself
_GUFUNCS: Any = getattr(np.linalg, "_umath_linalg", None)

Given = Sequence[Cells]


# ---------------------------------------------------------------- LU


def _factors(arrays: Arrays, a: Any) -> tuple[Any, Any]:
    """P L U = A by columns, and the exchanges."""
    *lead, n, _ = arrays.shape(a)
    return arrays.run(_write_factors, [arrays.swapped(a), ((*lead, n), "int32")])


def _write_factors(code: Code, results: Given, operands: Given) -> None:
    lu, pivots = results
    n = lu.shape[-1]

    def one(index: tuple[Any, ...]) -> None:
        code.refuse(code.lapack("getrf", n, n, lu.at(*index), n, pivots.at(*index)).differs(0))

    over_batch(code, lu.shape[:-2], one)


def _reliable_factors(arrays: Arrays, a: Any, kind: str = "real") -> tuple[Any, Any]:
    """The same of a matrix that is not nearly singular."""
    n = arrays.shape(a)[-1]
    lu, pivots = _factors(arrays, a)
    arrays.run(_write_condition, [((4 * n,), kind), ((n,), "int32")], lu, a)
    return lu, pivots


def _write_condition(code: Code, results: Given, operands: Given) -> None:
    lu, a = operands
    n = a.shape[-1]

    def one(index: tuple[Any, ...]) -> None:
        factors, matrix = lu.at(*index), a.at(*index)
        largest = 1 / (_SAFE * a.epsilon)
        if n > _BOUNDED:
            _estimate_condition(code, factors, matrix, results, largest)
            return
        size = _norm(code, n, lambda i, j: matrix[i, j])
        bound = size * _bound_of_inverse(code, factors)
        code.when(
            bound < largest,
            tuple,
            lambda: _estimate_condition(code, factors, matrix, results, largest),
        )

    over_batch(code, a.shape[:-2], one)


def _norm(code: Code, n: int, entry: Callable[[Any, Any], Any]) -> Any:
    """The largest sum of sizes ``entry(i, j)`` over j."""
    zero = entry(0, 0) * 0.0

    def line(i: Any, largest: Any) -> list[Any]:
        (size,) = code.loop(n, lambda j, s: [s + code.call("abs", entry(i, j))], zero)
        return [code.call("maximum", largest, size)]

    return code.loop(n, line, zero)[0]


def _estimate_condition(
    code: Code, lu: Cells, a: Cells, memory: Given, largest: float
) -> tuple[Any, ...]:
    """Refuse by LAPACK's estimate."""
    n = a.shape[-1]
    reciprocal = code.slot(a)
    reciprocal[0] = 0.0
    size = _norm(code, n, lambda j, i: a[i, j])
    code.lapack("gecon", "1", n, lu, n, size, reciprocal, *memory)
    code.refuse(~(reciprocal[0] > 1 / largest))
    return ()


def _bound_of_inverse(code: Code, lu: Cells) -> Any:
    """A bound of the largest sum of a row of |A⁻¹|: those of the two triangles' inverses.

    The inverse of a triangular matrix is at most that of the one with the same diagonal and all
    other entries turned negative, which has positive entries only.

    Source: Higham 2002, Accuracy and Stability of Numerical Algorithms, section 8.2.
    """
    n = lu.shape[-1]
    sums = code.slot(lu, n)

    def lower(i: Any, largest: Any) -> list[Any]:
        def term(j: Any, total: Any) -> list[Any]:
            return [code.fma(code.call("abs", lu[j, i]), sums[j], total)]

        (sums[i],) = total = code.loop(i, term, code.number(1.0, lu))
        return [code.call("maximum", largest, *total)]

    def upper(k: Any, largest: Any) -> list[Any]:
        i = (n - 1) - k

        def term(j: Any, total: Any) -> list[Any]:
            return [code.fma(code.call("abs", lu[j, i]), sums[j], total)]

        (total,) = code.loop(n, term, code.number(1.0, lu), start=i + 1)
        total = total / code.call("abs", lu[i, i])
        sums[i] = total
        return [code.call("maximum", largest, total)]

    (first,) = code.loop(n, lower, code.number(0.0, lu))
    (second,) = code.loop(n, upper, code.number(0.0, lu))
    return first * second


def inverse(arrays: Arrays, node: Any, a: Any) -> Any:
    """A⁻¹ by LU."""
    core, turned = arrays.core(a)
    n = arrays.shape(a)[-1]
    lu, pivots = _reliable_factors(arrays, core)
    if n <= _FEW_ROWS:
        by_columns = arrays.run(_write_small_inverse, [lu, ((_BLOCK * n,), "real")], pivots)[0]
    else:
        zeros = arrays.map(_zero, lu)
        by_columns = arrays.run(_write_inverse, [zeros], lu, pivots)[0]
    return by_columns if turned else arrays.swapped(by_columns)


def _zero(lanes: Lanes, x: Any) -> Any:
    return lanes.number(0.0, x)


def _write_small_inverse(code: Code, results: Given, operands: Given) -> None:
    (lu, work), (pivots,) = results, operands
    n = lu.shape[-1]

    def one(index: tuple[Any, ...]) -> None:
        found = code.lapack("getri", n, lu.at(*index), n, pivots.at(*index), work, work.size)
        code.refuse(found.differs(0))

    over_batch(code, lu.shape[:-2], one)


def _write_inverse(code: Code, results: Given, operands: Given) -> None:
    """U⁻¹ L⁻¹ by solving, with what is known to be zero in L⁻¹ left out, then the exchanges.

    ``getri`` makes as many operations in more time.
    """
    (found,), (lu, pivots) = results, operands
    n = lu.shape[-1]

    def one(index: tuple[Any, ...]) -> None:
        inverse, factors = found.at(*index), lu.at(*index)

        def unit(i: Any) -> None:
            inverse[i, i] = 1.0

        def exchange(k: Any) -> None:
            i = (n - 1) - k
            other = code.integer(pivots[(*index, i)]) - 1
            code.when(
                other.differs(i),
                lambda: code.lapack(
                    "swap", n, inverse.at(i), 1, inverse.at(other), 1, info=False
                ),
            )  # fmt: skip

        code.loop(n, unit)
        for begin in range(0, n, _BLOCK):
            code.lapack(
                "trsm", "L", "L", "N", "U", n - begin, min(_BLOCK, n - begin), code.number(1.0),
                factors.at(begin, begin), n, inverse.at(begin, begin), n, info=False,
            )  # fmt: skip
        code.lapack(
            "trsm", "L", "U", "N", "N", n, n, code.number(1.0), factors, n, inverse, n, info=False
        )
        code.loop(n, exchange)

    over_batch(code, found.shape[:-2], one)


def sign_and_log(arrays: Arrays, a: Any) -> tuple[Any, Any]:
    """The sign of the determinant, and the logarithm of its size; not of a singular matrix."""
    core, _ = arrays.core(a)
    lead = arrays.shape(a)[:-2]
    return arrays.run(_write_determinant, [(lead, "real")] * 2, *_factors(arrays, core))


def _write_determinant(code: Code, results: Given, operands: Given) -> None:
    (signs, logs), (lu, pivots) = results, operands

    def one(index: tuple[Any, ...]) -> None:
        def entry(i: Any, sign: Any, log: Any) -> list[Any]:
            x = lu[(*index, i, i)]
            swapped = code.integer(pivots[(*index, i)]).differs(i + 1)
            sign = code.select(swapped ^ (x < 0.0), -sign, sign)
            return [sign, log + code.call("log", code.call("abs", x))]

        n = lu.shape[-1]
        signs[index], logs[index] = code.loop(n, entry, code.number(1.0), code.number(0.0))

    over_batch(code, lu.shape[:-2], one)


# ---------------------------------------------------------------- linear systems


def solution(arrays: Arrays, node: Any, a: Any, b: Any) -> Any:
    """A⁻¹ b, the vectors on the last axis of b."""
    (kind,) = node.params
    if kind == "positive":
        factor = cholesky(arrays, node, a)
        return arrays.run(_write_positive_solution, [b], factor)[0]
    core, turned = arrays.core(a)
    if kind == "general":
        factors = _reliable_factors(arrays, core)
        return arrays.run(_write_solution, [b], *factors, turned=turned)[0]
    return arrays.run(_write_triangular_solution, [b], core, kind=kind, turned=turned)[0]


def _columns(x: Cells, batch: int) -> tuple[int, int]:
    """How many vectors there are for each matrix, and the step from one to the next."""
    extra = x.shape[: len(x.shape) - 1 - batch]
    return prod(extra), prod(x.shape[len(extra) :])


def _at(x: Cells, index: tuple[Any, ...]) -> Cells:
    """The first vector for the matrix at an index of the batch."""
    return x.at(*(0,) * (len(x.shape) - 1 - len(index)), *index)


def _write_solution(code: Code, results: Given, operands: Given, *, turned: bool) -> None:
    (x,), (lu, pivots) = results, operands
    n, lead = lu.shape[-1], lu.shape[:-2]
    count, step = _columns(x, len(lead))

    def one(index: tuple[Any, ...]) -> None:
        code.lapack(
            "getrs", "T" if turned else "N", n, count, lu.at(*index), n, pivots.at(*index),
            _at(x, index), step,
        )  # fmt: skip

    over_batch(code, lead, one)


def _write_positive_solution(code: Code, results: Given, operands: Given) -> None:
    (x,), (factor,) = results, operands
    n, lead = factor.shape[-1], factor.shape[:-2]
    count, step = _columns(x, len(lead))
    over_batch(
        code,
        lead,
        lambda index: code.lapack(
            "potrs", "U", n, count, factor.at(*index), n, _at(x, index), step
        ),
    )


def _write_triangular_solution(
    code: Code, results: Given, operands: Given, *, kind: str, turned: bool
) -> None:
    (x,), (a,) = results, operands
    n, lead = a.shape[-1], a.shape[:-2]
    count, step = _columns(x, len(lead))
    lower, unit = kind.endswith("lower"), kind.startswith("unit")

    def one(index: tuple[Any, ...]) -> None:
        if not unit:
            code.loop(n, lambda i: code.refuse(a[(*index, i, i)].equals(0.0)))
        code.lapack(
            "trsm", "L", "U" if lower != turned else "L", "N" if turned else "T",
            "U" if unit else "N", n, count, code.number(1.0), a.at(*index), n, _at(x, index), step,
            info=False,
        )  # fmt: skip

    over_batch(code, lead, one)


def cholesky(arrays: Arrays, node: Any, a: Any) -> Any:
    """L with L Lᵀ = A."""
    return arrays.real(_cholesky(arrays, a))


def _cholesky(arrays: Arrays, a: Any) -> Any:
    return arrays.run(_write_cholesky, [arrays.double(a)])[0]


def _write_cholesky(code: Code, results: Given, operands: Given) -> None:
    (factor,) = results
    n = factor.shape[-1]

    def one(index: tuple[Any, ...]) -> None:
        matrix = factor.at(*index)
        code.refuse(code.lapack("potrf", "U", n, matrix, n).differs(0))

        def clear(i: Any, j: Any) -> None:
            matrix[i, j] = 0.0

        code.loop(n, lambda i: code.loop(n, lambda j: clear(i, j), start=i + 1))

    over_batch(code, factor.shape[:-2], one)


# ---------------------------------------------------------------- eigenvalues, singular values, QR

Shapes = Callable[[int, int], Sequence[tuple[int, ...]]]


def by_numpy(
    names: Sequence[str], part: int, shapes: Shapes, *, turned: bool = False
) -> Callable[..., Any] | None:
    """One result of a decomposition of NumPy's.

    Parameters
    ----------
    names : sequence of str
        The function; of two, the node's parameter says which.
    part : int
        Which result, ``turned`` if its transpose is wanted.
    shapes : callable
        ``shapes(m, n)``: those of all results.

    Returns
    -------
    callable or None
        The operation's form; None if NumPy has no such function: it promises none.
    """
    known = [getattr(_GUFUNCS, name, None) for name in names]
    if None in known:
        return None

    def form(arrays: Arrays, node: Any, a: Any) -> Any:
        write = _calling(known[int(node.params[0]) if len(known) > 1 else 0])
        *lead, m, n = arrays.shape(a)
        results = [((*lead, *s), "double") for s in shapes(m, n)]
        found = arrays.run(write, results, arrays.double(a))[part]
        return arrays.real(arrays.swapped(found) if turned else found)

    return form


@cache
def _calling(ufunc: Any) -> Callable[..., None]:
    def write(code: Code, results: Given, operands: Given) -> None:
        (a,) = operands
        m, n = a.shape[-2:]
        sizes = {"m": m, "n": n, "p": min(m, n)}
        code.over(ufunc, [sizes[c] for c in dict.fromkeys(ufunc.signature) if c in sizes],
                  a, *results)  # fmt: skip
        first = results[0]  # NaN where LAPACK did not converge, which is an error

        def one(index: tuple[Any, ...]) -> None:
            code.refuse(first[(*index, *(0,) * (len(first.shape) - len(index)))].is_nan())

        over_batch(code, a.shape[:-2], one)

    return write


def _qr_factors(arrays: Arrays, a: Any) -> tuple[Any, Any]:
    """Householder's vectors below R, by columns, and their factors."""
    *lead, _, n = arrays.shape(a)
    results = [arrays.swapped(arrays.double(a)), ((*lead, n), "double"), ((_BLOCK * n,), "double")]
    return arrays.run(_write_qr, results)[:2]


def _write_qr(code: Code, results: Given, operands: Given) -> None:
    factors, tau, work = results
    n, m = factors.shape[-2:]

    def one(index: tuple[Any, ...]) -> None:
        code.lapack("geqrf", m, n, factors.at(*index), m, tau.at(*index), work, work.size)

    over_batch(code, factors.shape[:-2], one)


def qr_orthogonal(arrays: Arrays, node: Any, a: Any) -> Any:
    """Q of a matrix with no more columns than rows."""
    n = arrays.shape(a)[-1]
    factors, tau = _qr_factors(arrays, a)
    results = [factors, ((_BLOCK * n,), "double")]
    return arrays.real(arrays.swapped(arrays.run(_write_orthogonal, results, tau)[0]))


def _write_orthogonal(code: Code, results: Given, operands: Given) -> None:
    (q, work), (tau,) = results, operands
    n, m = q.shape[-2:]

    def one(index: tuple[Any, ...]) -> None:
        code.lapack("orgqr", m, n, n, q.at(*index), m, tau.at(*index), work, work.size)

    over_batch(code, q.shape[:-2], one)


def qr_triangle(arrays: Arrays, node: Any, a: Any) -> Any:
    """R of such a matrix."""
    *lead, _, n = arrays.shape(a)
    factors, _ = _qr_factors(arrays, a)
    return arrays.real(arrays.run(_write_triangle, [((*lead, n, n), "double")], factors)[0])


def _write_triangle(code: Code, results: Given, operands: Given) -> None:
    (r,), (factors,) = results, operands
    n = r.shape[-1]

    def one(index: tuple[Any, ...]) -> None:
        def entry(i: Any, j: Any, x: Any) -> None:
            r[(*index, i, j)] = x

        def row(i: Any) -> None:
            code.loop(i, lambda j: entry(i, j, code.number(0.0, r)))
            code.loop(n, lambda j: entry(i, j, factors[(*index, j, i)]), start=i)

        code.loop(n, row)

    over_batch(code, r.shape[:-2], one)


def eigenvalues(arrays: Arrays, node: Any, a: Any) -> Any:
    """The eigenvalues of a matrix, all of them real."""
    *lead, n, _ = arrays.shape(a)
    results = [
        arrays.swapped(arrays.double(a)),
        ((*lead, n), "double"),
        ((n,), "double"),
        ((_BLOCK * n,), "double"),
    ]
    return arrays.real(arrays.run(_write_eigenvalues, results)[1])


def _write_eigenvalues(code: Code, results: Given, operands: Given) -> None:
    a, values, imaginary, work = results
    n = a.shape[-1]

    def one(index: tuple[Any, ...]) -> None:
        vectors = code.slot(a)
        code.refuse(code.lapack(
            "geev", "N", "N", n, a.at(*index), n, values.at(*index), imaginary, vectors, 1,
            vectors, 1, work, work.size,
        ).differs(0))  # fmt: skip
        code.loop(n, lambda i: code.refuse(~imaginary[i].equals(0.0)))

    over_batch(code, a.shape[:-2], one)


def eigenvectors(arrays: Arrays, node: Any, a: Any) -> Any:
    """The right eigenvectors of a matrix as columns, which span the space."""
    *lead, n, _ = arrays.shape(a)
    results = [
        arrays.swapped(arrays.double(a)),
        ((*lead, n, n), "double"),
        *[((n,), "double")] * 2,
        ((_BLOCK * n,), "double"),
    ]
    vectors = arrays.swapped(arrays.run(_write_eigenvectors, results)[1])
    _reliable_factors(arrays, vectors, "double")
    return arrays.real(vectors)


def _write_eigenvectors(code: Code, results: Given, operands: Given) -> None:
    a, vectors, values, imaginary, work = results
    n = a.shape[-1]

    def one(index: tuple[Any, ...]) -> None:
        unused = code.slot(a)
        code.refuse(code.lapack(
            "geev", "N", "V", n, a.at(*index), n, values, imaginary, unused, 1, vectors.at(*index),
            n, work, work.size,
        ).differs(0))  # fmt: skip
        code.loop(n, lambda i: code.refuse(~imaginary[i].equals(0.0)))

    over_batch(code, a.shape[:-2], one)


def gaps(arrays: Arrays, node: Any, w: Any) -> Any:
    """1/(wⱼ ∓ wᵢ), 0 on the diagonal and for what is equal within rounding."""
    shape = arrays.shape(w)
    sums = node.param("sums")
    return arrays.run(_write_gaps, [((*shape, shape[-1]), "real")], w, sums=sums)[0]


def _write_gaps(code: Code, results: Given, operands: Given, *, sums: bool) -> None:
    (found,), (w,) = results, operands
    n = w.shape[-1]

    def one(index: tuple[Any, ...]) -> None:
        def size(i: Any, largest: Any) -> list[Any]:
            return [code.call("maximum", largest, code.call("abs", w[(*index, i)]))]

        (largest,) = code.loop(n, size, code.number(0.0))
        least = largest * (n * w.epsilon)

        def entry(i: Any, j: Any) -> None:
            x, y = w[(*index, j)], w[(*index, i)]
            gap = x + y if sums else x - y
            near = (code.call("abs", gap) <= least) | i.equals(j)
            found[(*index, i, j)] = code.select(near, 0.0, 1.0 / gap)

        def row(i: Any) -> None:
            code.loop(n, lambda j: entry(i, j))

        code.loop(n, row)

    over_batch(code, w.shape[:-1], one)
