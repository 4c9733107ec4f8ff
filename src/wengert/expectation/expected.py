"""Expectations by the Taylor series around the mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from warnings import warn

import numpy as np

from wengert.errors import DomainError, WengertError
from wengert.expectation.closed import closed_form
from wengert.expectation.coupling import couplings_of
from wengert.expectation.estimate import ApproximationWarning, Estimate, largest
from wengert.expectation.polynomials import degree_of
from wengert.expectation.subject import Subject, subject_of
from wengert.expectation.symbolic import SymbolicEstimate, is_symbolic, symbolic_expectation
from wengert.expectation.terms import Flat, Terms, is_even, is_gaussian, terms_of, way_of
from wengert.expectation.trust import BY_VALUES, other_branch, places_within
from wengert.expr import Expr
from wengert.formula import ShapeLike
from wengert.rewrite import recognise
from wengert.taylor.domain import check_point
from wengert.taylor.subject import Source
from wengert.transforms.jets import check_order

_TRIED = (4, 6, 8, 12, 16, 24, 32, 48)  # orders, for order="auto"
_AFFORDABLE = 3e8  # operations for a term that is only an error estimate
_PATIENCE = 1e10  # operations for order="auto"
_SLOW = 0.3  # ratio of a term to the one before, from which a series is slow
_STEADY = 0.95  # up to which ratio the rest is added up as a geometric series
_SEEN = 1e-4  # of the value: smaller terms may grow
_FELT = 1e-3  # of the value: smaller terms are small


def expectation(
    f: Source,
    dist: Any,
    order: int | str = 2,
    *,
    given: Mapping[str, Any] | None = None,
    method: str = "auto",
    shapes: Mapping[str, ShapeLike] | None = None,
    rtol: float = 1e-6,
) -> Estimate | SymbolicEstimate:
    """E f(X) by the Taylor series of f around the mean of X.

    Parameters
    ----------
    f : str, Formula or callable
        A callable takes one argument, nested as ``dist`` is.
    dist : tree of distributions
        One, or a dict (for formulas: by name), tuple or nest of them, independent of each other:
        :class:`Normal`, :class:`Draws`, frozen distributions of ``scipy.stats`` (lists of them are
        arrays of independent entries). What is no distribution is a constant.
    order : int or "auto"
        Where the series is cut. "auto" goes on until a term is below ``rtol`` of the value, or
        the terms begin to grow: there it stops, before the smallest.
    given : mapping, optional
        Values of a formula's other variables.
    method : str
        "taylor" is the sum of the terms. "auto" prefers a closed form, where one is recognised:
        exp, sin, cos and erf of linear forms of Gaussians, and their sums with polynomials.
    shapes : mapping, optional
        For expectations in symbols: as in :func:`wengert.formula`.
    rtol : float
        For "auto".

    Returns
    -------
    Estimate or SymbolicEstimate
        The value, the terms, an error estimate, and what speaks against trusting it. In symbols,
        if means and covariances are names: ``Normal("u", "S")``, of a formula.

    Raises
    ------
    ShapeError, DomainError, NameClashError
        For distributions, covariances and names that do not fit; for a function that is not
        finite or not differentiable at the mean; for moments that do not exist.
    WengertError
        If the order takes more jets than anyone waits for, with the remedy.

    Warns
    -----
    ApproximationWarning
        If the terms grow, so that the series should not be trusted.

    Notes
    -----
    For a Gaussian the term of order 2m is (½ Σ_ij Σ_ij ∂ᵢ∂ⱼ)^m f / m! (Isserlis' theorem), and
    odd ones are zero. Moment tensors are never formed: order 2 takes as many jets as the rank r of
    Σ, order 4 takes r², or contractions of derivatives where their structure makes them cheaper.

    Examples
    --------
    >>> from wengert.expectation import Normal
    >>> print(expectation("log(x)", {"x": Normal(1.0, 0.01)}, order=4))
    E f = -0.005075   (order 4, error about 2.6e-06)
      order                    term                       sum
          0                       0                         0
          2                  -0.005                    -0.005
          4                -7.5e-05                 -0.005075
      cost: 1 jet of order 8
    >>> print(expectation(lambda x: x @ x, Normal([1.0, 2.0], [[2.0, 1.0], [1.0, 3.0]])))
    E f = 10   (exact: a polynomial of degree 2)
      order                    term                       sum
          0                       5                         5
          2                       5                        10
      cost: 2 jets of order 2
    """
    if order != "auto":
        check_order(order)
    if method not in ("auto", "taylor"):
        raise ValueError(f"method must be 'auto' or 'taylor'; got {method!r}")
    if is_symbolic(dist):
        return symbolic_expectation(f, dist, 2 if order == "auto" else int(order), given, shapes)
    subject = subject_of(f, dist, given)
    check_point(subject.recorded, 0, subject.names)
    return _of_subject(subject, order, rtol, method)


@dataclass(frozen=True, eq=False)
class Series:
    """Terms up to an order and, if they could be had, those beyond it."""

    terms: Terms
    order: int
    beyond: list[Flat]
    doubts: tuple[str, ...]


def _of_subject(subject: Subject, order: int | str, rtol: float, method: str) -> Estimate:
    roots = [recognise(r) for r in subject.recorded.roots]
    degree = degree_of(roots, subject.recorded.leaves)
    wanted = _TRIED[-1] if order == "auto" else int(order)
    if not _varies(subject):
        found = Series(terms_of(subject, way_of(subject, 0)), 0, [], ())
        return _estimate(subject, found, "nothing varies")
    if degree is not None and subject.whole and degree <= wanted + _free(subject, wanted):
        last = min(degree, wanted)
        found = Series(terms_of(subject, way_of(subject, last)), last, [], ())
        return _estimate(subject, found, f"a polynomial of degree {degree}")
    closed = None
    if method == "auto" and degree is None and subject.whole and is_gaussian(subject):
        closed = _closed(subject, roots)
    if closed is not None:
        value, reason = closed
        return _estimate(subject, _beside(subject, 2 if order == "auto" else wanted), reason, value)
    series = _automatic(subject, rtol) if order == "auto" else _cut(subject, wanted)
    return _estimate(subject, series, "")


def _free(subject: Subject, order: int) -> int:
    """1 if the term after an order is zero for every function, as an odd one is by symmetry."""
    with suppress(DomainError):
        return int(order % 2 == 0 and is_even(subject, order + 1))
    return 0


def _closed(subject: Subject, roots: Sequence[Expr]) -> tuple[Flat, str] | None:
    """The values of a closed form, if all results have one, and why they are exact."""
    couplings = couplings_of(subject)
    found: list[tuple[Expr, str]] = []
    for root in roots:
        closed = closed_form(root, subject.recorded.leaves, couplings)
        if closed is None:
            return None
        found.append(closed)
    recorded = subject.recorded
    values = recorded.finish([e for e, _ in found], recorded.dtypes, couplings.values)
    return values, " and ".join(dict.fromkeys(reason for _, reason in found))


def _beside(subject: Subject, order: int) -> Series:
    """The series beside a closed form, as far as that costs little."""
    with suppress(WengertError):
        way = way_of(subject, order)
        if way.work < _AFFORDABLE:
            return Series(terms_of(subject, way), order, [], ())
    return Series(terms_of(subject, way_of(subject, 0)), 0, [], ())


def _varies(subject: Subject) -> bool:
    """Has any argument a variance?"""
    return any(np.any(group.covariance.variances()) for group in subject.groups)


# ---------------------------------------------------------------- where the series is cut


def _cut(subject: Subject, order: int) -> Series:
    """The terms up to an order, and what lies beyond as far as that is affordable."""
    way = way_of(subject, order)
    doubt = "the next term was too costly to compute: the error estimate is the last one"
    for further in _further(subject, order):
        try:
            longer = way_of(subject, further)
            if longer.work > max(_AFFORDABLE, 4 * way.work):
                continue
            terms = terms_of(subject, longer)
        except WengertError as error:
            doubt = f"the error estimate is the last term, as there is no next one: {error}"
            continue
        _check_terms(subject, terms, order)
        beyond = terms.by_order[order + 1 :]
        if not all(np.all(np.isfinite(t)) for term in beyond for t in term):
            doubt = "the next term is not finite: the error estimate is the last one"
            continue
        return Series(Terms(terms.by_order[: order + 1], terms.cost), order, beyond, ())
    terms = terms_of(subject, way)
    _check_terms(subject, terms, order)
    return Series(terms, order, [], (doubt,))


def _further(subject: Subject, order: int) -> list[int]:
    """Orders to go to: the next terms that can differ from zero, two of them first."""
    step = 1
    with suppress(DomainError):  # a moment that does not exist is found when it is needed
        step = 2 if is_even(subject, order + 3) else 1
    first = order + step - (order % 2 if step == 2 else 0)
    return [first + step, first]


def _automatic(subject: Subject, rtol: float) -> Series:
    """The order at which a term is small enough, or the terms begin to grow."""
    found = _best_cut(terms_of(subject, way_of(subject, 2)), 2, rtol)
    for order in _TRIED:
        try:
            way = way_of(subject, order)
            if way.work > _PATIENCE:
                break
            terms = terms_of(subject, way)
        except WengertError:
            break
        _check_terms(subject, terms, 2)
        found = _best_cut(terms, order, rtol)
        if found.order < order:
            break
    return found


def _best_cut(terms: Terms, order: int, rtol: float) -> Series:
    sizes = _sizes(Series(terms, order, [], ()))
    scale = max(largest(terms.by_order[0]), sizes.get(2, 0.0))
    ratios = _ratios(sizes)
    for before, after in pairwise(sizes):
        if sizes[after] <= rtol * scale or not ratios[after] <= 1:
            kept = Terms(terms.by_order[: before + 1], terms.cost)
            return Series(kept, before, terms.by_order[before + 1 : after + 1], ())
    doubt = f"the terms have not become small by order {order}"
    return Series(terms, order, [], (doubt,) if sizes else ())


def _check_terms(subject: Subject, terms: Terms, order: int) -> None:
    """An error, naming the operation, unless the terms up to an order are finite."""
    for k, term in enumerate(terms.by_order[: order + 1]):
        if not all(np.all(np.isfinite(t)) for t in term):
            check_point(subject.recorded, k, subject.names)
            raise DomainError(
                f"the term of order {k} is not finite: the function has no derivative of that "
                "order at the mean; take a lower order"
            )


# ---------------------------------------------------------------- judging


def _estimate(subject: Subject, series: Series, exact: str, closed: Flat | None = None) -> Estimate:
    recorded = subject.recorded
    grave = [] if exact else [*_growth(series), *places_within(subject), *other_branch(subject)]
    doubts = (*grave, *series.doubts, *([] if exact or grave else _slowness(series)))
    if not (exact or grave or subject.whole):
        doubts = (*doubts, BY_VALUES)
    by_order = series.terms.by_order
    value = closed or [sum(parts) for parts in zip(*by_order, strict=True)]
    dtypes = [d if d.kind == "f" else np.dtype(float) for d in recorded.dtypes]
    error = [np.zeros_like(v) for v in value] if exact else _error(series)

    def tree(flat: Flat) -> Any:
        cast = [np.asarray(a).astype(d, copy=False)[()] for a, d in zip(flat, dtypes, strict=True)]
        return recorded.unflatten(cast)

    if grave:
        warn(f"expectation: {'; '.join(grave)}", ApproximationWarning, stacklevel=4)
    return Estimate(
        tree(value),
        tuple(map(tree, by_order)),
        series.order,
        None if error is None else tree(error),
        exact,
        doubts,
        series.terms.cost,
    )


def _sizes(series: Series) -> dict[int, float]:
    """The largest entries of the terms that are not zero, by order from 2 on."""
    every = [*series.terms.by_order, *series.beyond]
    sizes = {k: largest(term) for k, term in enumerate(every) if k >= 2}
    return {k: size for k, size in sizes.items() if size != 0}


def _ratios(sizes: Mapping[int, float]) -> dict[int, float]:
    """Each term relative to the larger of the two orders before it: one may be small by chance."""
    ratios: dict[int, float] = {}
    for last, k in pairwise(sizes):
        before = [sizes[j] for j in (k - 1, k - 2) if j in sizes] or [sizes[last]]
        ratios[k] = sizes[k] / max(before)
    return ratios


def _growth(series: Series) -> list[str]:
    """What is said of terms that grow: of the last ones, as one before may be small by chance."""
    sizes = _seen(series, _SEEN)
    ratios = _ratios(sizes)
    last = max(ratios, default=0)
    if not ratios or ratios[last] <= 1:
        return []
    return [
        f"the terms grow with the order (to {sizes[last]:.2g} at order {last}): the series "
        "diverges, or does not yet converge; compare with quadrature or Monte Carlo"
    ]


def _slowness(series: Series) -> list[str]:
    """What is said of a next term that is not small."""
    sizes = _seen(series, _FELT)
    ratios = _ratios(sizes)
    slow = [k for k, ratio in ratios.items() if k > series.order and ratio > _SLOW]
    if not slow:
        return []
    share = f"{ratios[slow[0]]:.0%}"
    return [
        f"the next term is not small: {sizes[slow[0]]:.2g} at order {slow[0]}, {share} of those "
        "before"
    ]


def _seen(series: Series, share: float) -> dict[int, float]:
    """The sizes of the terms that matter beside the value."""
    sizes = _sizes(series)
    least = share * max(largest(series.terms.by_order[0]), *sizes.values(), 0.0)
    return {k: size for k, size in sizes.items() if size > least}


def _error(series: Series) -> Flat | None:
    """The largest term beyond the order, with what follows if the terms go on to fall as they do.

    Without a term beyond, the last one.
    """
    ratios = _ratios(_sizes(series))
    ratio = max((r for k, r in ratios.items() if k > series.order), default=0.0)
    tail = 1 / (1 - ratio) if ratio < _STEADY else 1.0
    beyond = series.beyond or series.terms.by_order[-1:]
    if not series.beyond and series.order < 2:
        return None
    return [tail * np.max(np.abs(np.stack(parts)), axis=0) for parts in zip(*beyond, strict=True)]
