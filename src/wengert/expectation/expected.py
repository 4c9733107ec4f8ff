"""Expectations by the Taylor series around the mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from warnings import warn

import numpy as np
import optree

from wengert.errors import DomainError, WengertError
from wengert.expectation.distributions import Draws
from wengert.expectation.estimate import ApproximationWarning, Cost, Estimate, largest
from wengert.expectation.polynomials import degree_of
from wengert.expectation.subject import Subject, subject_of
from wengert.expectation.terms import Flat, Terms, is_even, number_of_jets, terms_of
from wengert.rewrite import recognise
from wengert.taylor.subject import Source
from wengert.transforms.jets import check_order

_HIGHEST = 40  # of orders that are tried, for order="auto"
_AFFORDABLE = 2_000  # jets for the term that is only an error estimate
_SLOW = 0.3  # ratio of a term to the one before, from which a series is slow
_SEEN = 1e-6  # of the value: smaller terms do not matter


def expectation(
    f: Source,
    dist: Any,
    order: int | str = 2,
    *,
    given: Mapping[str, Any] | None = None,
    rtol: float = 1e-6,
) -> Estimate:
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
    rtol : float
        For "auto".

    Returns
    -------
    Estimate
        The value, the terms, an error estimate, and what speaks against trusting it.

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
    >>> E = expectation("exp(x)", {"x": Normal(0.0, 0.04)}, order=4)
    >>> round(float(E.value), 6), round(float(np.exp(0.02)), 6)
    (1.0202, 1.020201)
    >>> print(expectation(lambda x: x @ x, Normal([1.0, 2.0], [[2.0, 1.0], [1.0, 3.0]])))
    E f = 10   (exact: a polynomial of degree 2)
      order                    term                       sum
          0                       5                         5
          2                       5                        10
      cost: 2 jets of order 2
    """
    if order != "auto":
        check_order(order)
    subject = subject_of(f, dist, given)
    _check_finite(subject)
    return _of_subject(subject, order, rtol)


def _check_finite(subject: Subject) -> None:
    recorded = subject.recorded
    for value in recorded.finish(recorded.roots, recorded.dtypes):
        if not np.all(np.isfinite(value)):
            raise DomainError(
                "the function is not finite at the mean, around which its series would be"
            )


@dataclass(frozen=True, eq=False)
class Series:
    """Terms up to an order and, if they could be had, those beyond it."""

    terms: Terms
    order: int
    beyond: list[Flat]
    doubts: tuple[str, ...]


def _of_subject(subject: Subject, order: int | str, rtol: float) -> Estimate:
    degree = degree_of([recognise(r) for r in subject.recorded.roots], subject.recorded.leaves)
    wanted = _HIGHEST if order == "auto" else int(order)
    if degree is not None and degree <= wanted:
        found = Series(terms_of(subject, degree), degree, [], ())
        return _estimate(subject, found, f"a polynomial of degree {degree}")
    series = _automatic(subject, rtol) if order == "auto" else _cut(subject, wanted)
    exact = "" if subject_varies(subject) else "nothing varies"
    return _estimate(subject, series, exact)


def subject_varies(subject: Subject) -> bool:
    """Has any argument a variance?"""
    return any(np.any(group.covariance.variances()) for group in subject.groups)


# ---------------------------------------------------------------- where the series is cut


def _cut(subject: Subject, order: int) -> Series:
    """The terms up to an order, and what lies beyond as far as that is affordable."""
    for further in _further(subject, order):
        try:
            if number_of_jets(subject, further) > _AFFORDABLE:
                continue
            terms = terms_of(subject, further)
        except WengertError as error:
            if further == order:
                raise
            reason = str(error)
            continue
        _check_terms(terms)
        kept = Terms(terms.by_order[: order + 1], terms.cost)
        return Series(kept, order, terms.by_order[order + 1 :], ())
    terms = terms_of(subject, order)
    _check_terms(terms)
    doubt = "the next term, by which the error would be estimated, was too costly to compute"
    return Series(terms, order, [], (doubt,))


def _further(subject: Subject, order: int) -> list[int]:
    """Orders to go to: the next terms that can differ from zero, two of them first."""
    step = 1
    try:
        step = 2 if is_even(subject, order + 3) else 1
    except DomainError:
        pass
    first = order + step - (order % 2 if step == 2 else 0)
    return [first + step, first, order]


def _automatic(subject: Subject, rtol: float) -> Series:
    """The order at which a term is small enough, or the terms begin to grow."""
    found: Series | None = None
    order = 2
    while order <= _HIGHEST:
        try:
            if found is not None and number_of_jets(subject, order) > _AFFORDABLE:
                break
            terms = terms_of(subject, order)
        except WengertError:
            if found is None:
                raise
            break
        _check_terms(terms)
        found = _best_cut(terms, order, rtol)
        if found.order < order:
            break
        order *= 2
    assert found is not None
    return found


def _best_cut(terms: Terms, order: int, rtol: float) -> Series:
    sizes = [largest(t) for t in terms.by_order]
    scale = max(np.cumsum(sizes)[-1] if order == 0 else sizes[0], sizes[2], np.finfo(float).tiny)
    present = [k for k in range(2, order + 1) if sizes[k] > 0]
    for before, after in zip(present, present[1:], strict=False):
        if sizes[after] <= rtol * scale or sizes[after] > sizes[before]:
            kept = Terms(terms.by_order[: before + 1], terms.cost)
            return Series(kept, before, terms.by_order[before + 1 : after + 1], ())
    last = present[-1] if present else order
    return Series(Terms(terms.by_order[: last + 1], terms.cost), last, [], ())


def _check_terms(terms: Terms) -> None:
    for k, term in enumerate(terms.by_order):
        if not all(np.all(np.isfinite(t)) for t in term):
            raise DomainError(
                f"the term of order {k} is not finite: the function has no derivative of that order "
                "at the mean; take a lower order"
            )


# ---------------------------------------------------------------- judging


def _estimate(subject: Subject, series: Series, exact: str) -> Estimate:
    recorded = subject.recorded
    doubts = (*series.doubts, *(() if exact else _doubts(series)))
    by_order = series.terms.by_order
    value = [sum(parts) for parts in zip(*by_order, strict=True)]
    dtypes = [d if d.kind == "f" else np.dtype(float) for d in recorded.dtypes]
    error = None
    if exact:
        error = [np.zeros_like(v) for v in value]
    elif series.beyond:
        error = [np.max(np.abs(np.stack(parts)), axis=0) for parts in zip(*series.beyond, strict=True)]

    def tree(flat: Flat) -> Any:
        cast = [np.asarray(a).astype(d, copy=False)[()] for a, d in zip(flat, dtypes, strict=True)]
        return recorded.unflatten(cast)

    if any("grow" in doubt for doubt in doubts):
        warn(f"expectation: {'; '.join(doubts)}", ApproximationWarning, stacklevel=4)
    return Estimate(
        tree(value),
        tuple(map(tree, by_order)),
        series.order,
        None if error is None else tree(error),
        exact,
        doubts,
        series.terms.cost,
    )


def _doubts(series: Series) -> tuple[str, ...]:
    """What the sizes of the terms say."""
    sizes = {
        k: largest(term)
        for k, term in enumerate([*series.terms.by_order, *series.beyond])
        if k >= 2 and largest(term) > 0
    }
    scale = max(largest(series.terms.by_order[0]), *sizes.values(), 0.0) if sizes else 0.0
    orders = list(sizes)
    for before, after in zip(orders, orders[1:], strict=False):
        if sizes[after] > sizes[before] and sizes[after] > _SEEN * scale:
            return (
                f"the terms grow with the order (order {before}: {sizes[before]:.2g}, order "
                f"{after}: {sizes[after]:.2g}): the series diverges, or not yet converges; use "
                "quadrature or Monte Carlo",
            )
    if len(orders) > 1 and orders[-1] > series.order:
        before, after = orders[-2:]
        if sizes[after] > _SLOW * sizes[before] and sizes[after] > _SEEN * scale:
            return (
                f"the next term is not small: order {after} is {sizes[after]:.2g} after "
                f"{sizes[before]:.2g}",
            )
    return ()
