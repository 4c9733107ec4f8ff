"""Canonical order of a contraction's factors and labels.

Two contractions that are equal up to the order of factors and the names of summed labels get one
form. Output labels are fixed by position; colour refinement tells the rest apart; only what stays
tied is individualised, each candidate tried and the smallest encoding kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from wengert.expr import Expr

Labels = tuple[int, ...]
Factor = tuple[Expr, Labels]


def number_outputs(out: Labels) -> dict[int, int]:
    """Labels of the output, numbered by first appearance."""
    index: dict[int, int] = {}
    for label in out:
        index.setdefault(label, len(index))
    return index


def canonical_order(
    factors: Sequence[Factor], out: Labels, symmetric: Sequence[bool]
) -> tuple[list[Factor], Labels]:
    """Factors in canonical order with canonical labels, and the output labels.

    Parameters
    ----------
    factors : sequence of (Expr, labels)
        No two equal ones.
    out : tuple of int
        Output labels; may repeat.
    symmetric : sequence of bool
        Which factors are symmetric matrices (their two slots may be exchanged).
    """
    fixed = number_outputs(out)
    numbered_out = tuple(fixed[label] for label in out)
    if len(factors) == 1 and not (symmetric[0] and len(set(factors[0][1])) > 1):
        expr, labels = factors[0]
        return [(expr, _number(labels, dict(fixed)))], numbered_out
    keys = [
        (expr.digest, _pattern(labels, fixed, swap))
        for (expr, labels), swap in zip(factors, symmetric, strict=True)
    ]
    order = sorted(range(len(factors)), key=keys.__getitem__)
    tied = any(keys[a] == keys[b] for a, b in pairwise(order))
    loose = any(
        swap and sum(label not in fixed for label in factors[k][1]) > 1
        for k, swap in enumerate(symmetric)
    )
    if tied or loose:
        _, best = _refine(factors, fixed, symmetric, dict.fromkeys(_summed(factors, fixed), 0))
        return best, numbered_out
    return _write(order, factors, dict(fixed), symmetric), numbered_out


def _summed(factors: Sequence[Factor], fixed: dict[int, int]) -> list[int]:
    return list(dict.fromkeys(x for _, labels in factors for x in labels if x not in fixed))


def _number(labels: Labels, numbers: dict[int, int]) -> Labels:
    return tuple(numbers.setdefault(label, len(numbers)) for label in labels)


def _pattern(labels: Labels, fixed: dict[int, int], swap: bool) -> Labels:
    found = tuple(fixed.get(x, -1 - labels.index(x) if labels.count(x) > 1 else -1) for x in labels)
    return tuple(sorted(found)) if swap else found


def _write(
    order: Sequence[int],
    factors: Sequence[Factor],
    numbers: dict[int, int],
    symmetric: Sequence[bool],
) -> list[Factor]:
    written: list[Factor] = []
    for k in order:
        expr, labels = factors[k]
        if symmetric[k]:
            known = sorted(labels, key=lambda x: numbers.get(x, len(numbers)))
            written.append((expr, tuple(sorted(_number(tuple(known), numbers)))))
        else:
            written.append((expr, _number(labels, numbers)))
    return written


def _refine(
    factors: Sequence[Factor],
    fixed: dict[int, int],
    symmetric: Sequence[bool],
    colours: dict[int, int],
) -> tuple[list[tuple[int, Labels]], list[Factor]]:
    """The smallest encoding and its factors, given a colouring of the summed labels."""
    factor_colours, colours = _stabilise(factors, fixed, symmetric, colours)
    tied = _first_tie(colours)
    if not tied:
        order = sorted(range(len(factors)), key=lambda k: (factor_colours[k], factors[k][0].digest))
        numbers = dict(fixed)
        for label in sorted(colours, key=colours.__getitem__):
            numbers[label] = len(numbers)
        written = _write(order, factors, numbers, symmetric)
        return [(e.digest, labels) for e, labels in written], written
    apart = _by_components(factors, fixed, symmetric, colours)
    if apart is not None:
        return [(e.digest, labels) for e, labels in apart], apart
    best: tuple[list[tuple[int, Labels]], list[Factor]] | None = None
    for label in _without_twins(tied, factors, symmetric):
        trial = {other: 2 * colour + 1 for other, colour in colours.items()}
        trial[label] -= 1
        candidate = _refine(factors, fixed, symmetric, trial)
        if best is None or candidate[0] < best[0]:
            best = candidate
    assert best is not None
    return best


def _by_components(
    factors: Sequence[Factor],
    fixed: dict[int, int],
    symmetric: Sequence[bool],
    colours: dict[int, int],
) -> list[Factor] | None:
    """The factors with each component ordered by itself, if the tied labels leave several.

    Labels that are told apart already connect nothing: interchangeable branches need no trials.
    """
    classes = Counter(colours.values())
    known = dict(fixed)
    for label in sorted((x for x in colours if classes[colours[x]] == 1), key=colours.__getitem__):
        known[label] = len(known)
    groups = _connected(factors, known)
    if len(groups) < 2:
        return None
    ordered: list[tuple[list[tuple[int, Labels]], list[Factor]]] = []
    for group in groups:
        own = {x: colours[x] for k in group for x in factors[k][1] if x not in known}
        parts, loose = [factors[k] for k in group], [symmetric[k] for k in group]
        ordered.append(_refine(parts, known, loose, own))
    ordered.sort(key=lambda pair: pair[0])
    written: list[Factor] = []
    shift = 0
    for _, parts in ordered:
        top = max((x for _, axes in parts for x in axes), default=-1) + 1
        written += [
            (e, tuple(x + shift if x >= len(known) else x for x in axes)) for e, axes in parts
        ]
        shift += max(0, top - len(known))
    return written


def closed_components(labels: Sequence[Labels], kept: set[int]) -> list[list[int]]:
    """The components that are scalars: factors joined to each other and to no output label.

    None if all factors are one such component: it is the whole contraction.
    """
    group: dict[int, int] = {}
    members: dict[int, list[int]] = {}
    for k, axes in enumerate(labels):
        touched = {group[x] for x in axes if x in group}
        merged = [k]
        for g in touched:
            merged += members.pop(g)
        for member in merged:
            for x in labels[member]:
                if x not in kept:
                    group[x] = k
        members[k] = merged
    closed = [
        sorted(g)
        for g in members.values()
        if any(labels[k] for k in g) and not any(x in kept for k in g for x in labels[k])
    ]
    return [] if len(closed) == 1 and len(closed[0]) == len(labels) else closed


@lru_cache(maxsize=8192)
def recipe(labels: tuple[Labels, ...], out: Labels) -> tuple[tuple[Labels, ...], Labels] | None:
    """Canonical labels of distinct factors that are in canonical order, and the output labels.

    None if scalar components are nodes of their own.
    """
    fixed = number_outputs(out)
    if len(labels) > 1 and closed_components(labels, set(out)):
        return None
    numbers = dict(fixed)
    return tuple(_number(axes, numbers) for axes in labels), tuple(fixed[x] for x in out)


def _connected(factors: Sequence[Factor], known: dict[int, int]) -> list[list[int]]:
    """Indices of factors, grouped by the labels that are not known."""
    group_of: dict[int, int] = {}
    groups: dict[int, list[int]] = {}
    for k, (_, axes) in enumerate(factors):
        merged = [k]
        for g in {group_of[x] for x in axes if x in group_of}:
            merged += groups.pop(g)
        groups[k] = sorted(merged)
        for member in merged:
            group_of.update({x: k for x in factors[member][1] if x not in known})
    return list(groups.values())


def _without_twins(
    tied: list[int], factors: Sequence[Factor], symmetric: Sequence[bool]
) -> list[int]:
    """One label of each class that may be exchanged without changing the product."""
    chosen: list[int] = []
    for label in tied:
        if not any(_exchangeable(label, other, factors, symmetric) for other in chosen):
            chosen.append(label)
    return chosen


def _exchangeable(
    one: int, other: int, factors: Sequence[Factor], symmetric: Sequence[bool]
) -> bool:
    swap = {one: other, other: one}

    def form(labels: Labels, loose: bool) -> Labels:
        return tuple(sorted(labels)) if loose else labels

    before = Counter((e.digest, form(a, s)) for (e, a), s in zip(factors, symmetric, strict=True))
    after = Counter(
        (e.digest, form(tuple(swap.get(x, x) for x in a), s))
        for (e, a), s in zip(factors, symmetric, strict=True)
    )
    return before == after


def _first_tie(colours: dict[int, int]) -> list[int]:
    classes: dict[int, list[int]] = {}
    for label, colour in colours.items():
        classes.setdefault(colour, []).append(label)
    ties = [(colour, members) for colour, members in classes.items() if len(members) > 1]
    return min(ties)[1] if ties else []


def _stabilise(
    factors: Sequence[Factor],
    fixed: dict[int, int],
    symmetric: Sequence[bool],
    colours: dict[int, int],
) -> tuple[list[int], dict[int, int]]:
    """Refine the colours of labels and factors until no class splits."""
    classes = -1
    factor_colours = [0] * len(factors)
    while True:
        signatures: list[tuple[int, list[tuple[int, int]]]] = []
        for (expr, labels), swap in zip(factors, symmetric, strict=True):
            slots = [(0, fixed[x]) if x in fixed else (1, colours[x]) for x in labels]
            signatures.append((expr.digest, sorted(slots) if swap else slots))
        factor_colours = _rank([(s[0], tuple(s[1])) for s in signatures])
        uses: dict[int, list[tuple[int, int]]] = {label: [] for label in colours}
        for k, (_, labels) in enumerate(factors):
            for slot, label in enumerate(labels):
                if label in uses:
                    uses[label].append((factor_colours[k], 0 if symmetric[k] else slot))
        names = list(colours)
        ranked = _rank([(colours[x], tuple(sorted(uses[x]))) for x in names])
        colours = dict(zip(names, ranked, strict=True))
        found = len(set(factor_colours)) + len(set(colours.values()))
        if found == classes:
            return factor_colours, colours
        classes = found


def _rank(items: list[tuple[int, tuple[object, ...]]]) -> list[int]:
    position = {item: k for k, item in enumerate(sorted(set(items)))}
    return [position[item] for item in items]
