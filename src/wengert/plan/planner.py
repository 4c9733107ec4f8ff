"""Expression to plan: contraction order by cost at the real sizes, shared nodes once.

A contraction that only one other contraction uses is merged into it, so that the order of
products is chosen over the whole region; a shared one stays a boundary and is computed once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from math import inf, prod
from typing import Any

import opt_einsum

from wengert.errors import ShapeError
from wengert.expr import Expr, topological
from wengert.operations.algebra import flipped, is_symmetric
from wengert.operations.control.programs import RUN_LENGTH, group_of, unknown_length
from wengert.operations.reshaping import RESHAPE
from wengert.operations.structural import (
    ADD,
    CONTRACT,
    SIZE,
    VARIABLE,
)
from wengert.operations.structure import (
    coefficients_of,
    contraction_params,
    has_pattern,
)
from wengert.plan.instructions import (
    Apply,
    Body,
    Combine,
    Fill,
    Input,
    Instruction,
    Item,
    Labels,
    Pair,
    Placed,
    Plan,
    Prepare,
    Reshape,
    Scale,
    Single,
    Term,
)
from wengert.plan.programs import branch_fields, live_nodes, loop_fields
from wengert.plan.spreading import network_of, spread_sum
from wengert.primitive import Kind, Shared
from wengert.shapes import concrete, substitute

_REGION_CAP = 64  # operands of one merged contraction
_EARLY = 4  # times smaller than the product an operand must be, to be scaled in its place
_EXACT_CAP = 9  # operands whose order is found exactly; beyond it greedily


def make_plan(roots: Sequence[Expr], sizes: Mapping[str, int]) -> Plan:
    """The plan that evaluates several expressions together.

    Parameters
    ----------
    roots : sequence of Expr
        The outputs.
    sizes : mapping of str to int
        A value for every size symbol.
    """
    return _Planner(roots, {**sizes, RUN_LENGTH: 1}).plan()


class _Planner:
    def __init__(self, roots: Sequence[Expr], sizes: Mapping[str, int]) -> None:
        self.roots = roots
        self.sizes = sizes
        self.instructions: list[Instruction] = []
        self.slot_of: dict[Expr, int] = {}
        self.next_slot = 0
        self.runs: dict[Hashable, tuple[int, tuple[int, ...]]] = {}
        self.order, self.parts = live_nodes(roots, topological(*roots))
        self.uses = Counter(o for node in self.order for o in node.operands)
        self.uses.update(roots)
        self.shared = _shared_work(self.order)
        self.prepared: dict[Hashable, int] = {}
        self.known: dict[Hashable, int] = {}
        self.products: dict[Hashable, list[tuple[Labels, int]]] = {}
        self.spread: dict[Expr, Expr] = {}
        self.scaled = Counter(map(_without_coefficient, self.order))

    def plan(self) -> Plan:
        merged = self._merged_nodes()
        merged |= self._spread_sums(merged)
        for node in self.order:
            if node not in merged:
                self.slot_of[node] = self._lower(node)
        outputs = tuple(self.slot_of[r] for r in self.roots)
        return Plan(tuple(self.instructions), outputs, self.next_slot)

    def shape(self, node: Expr) -> tuple[int, ...]:
        return concrete(substitute(node.shape, self.sizes))

    def _merged_nodes(self) -> set[Expr]:
        """Contractions that are computed inside their only user: a contraction or a sum.

        Constants are inside every sum that adds them.
        """
        merged: set[Expr] = set()
        added = Counter(o for n in self.order if n.primitive is ADD for o in n.operands)
        for node in self.order:
            if node.primitive is CONTRACT and len(node.operands) <= _REGION_CAP:
                merged.update(
                    o
                    for o in node.operands
                    if o.primitive is CONTRACT and self.uses[o] == 1 and not _has_coefficient(o)
                )
            elif node.primitive is ADD:
                merged.update(
                    o
                    for o in node.operands
                    if (self.uses[o] == 1 and has_pattern(o))
                    or (self.uses[o] == added[o] and _is_constant(o))
                    or (self.uses[o] == 1 and _is_placed(o))
                )
        return merged

    def _spread_sums(self, merged: Collection[Expr]) -> set[Expr]:
        """Finds the sums that are contracted term by term; gives them and the terms of their own.

        A contraction inside another one stays where it is.
        """
        found: set[Expr] = set()
        for node in self.order:
            if node.primitive is CONTRACT and node not in merged:
                total = spread_sum(node, self.uses, merged, self.shape, _path)
                if total is not None:
                    self.spread[node] = total
                    found.update((total, *(t for t in total.operands if self.uses[t] == 1)))
        return found

    def _new(self) -> int:
        self.next_slot += 1
        return self.next_slot - 1

    def _emit(self, kind: Any, shape: tuple[int, ...], *fields: Any) -> int:
        slot = self._new()
        self.instructions.append(kind(slot, shape, *fields))
        return slot

    def _emit_once(self, kind: Any, shape: tuple[int, ...], *fields: Any) -> int:
        """The slot of an instruction that may have been emitted already."""
        key = kind, shape, fields
        if key not in self.known:
            self.known[key] = self._emit(kind, shape, *fields)
        return self.known[key]

    def _lower(self, node: Expr) -> int:
        shape = self.shape(node)
        if node.primitive is VARIABLE:
            return self._emit(Input, shape, node.params[0], node.dtype)
        if node.primitive is SIZE:
            return self._emit(Fill, shape, float(self.sizes[str(node.params[0])]), ())
        if node.primitive is CONTRACT:
            if not node.operands or has_pattern(node):
                self._check_known(node)
            return self._contraction(node, shape)
        if node.primitive is ADD:
            return self._combination(node, shape)
        if node.primitive.kind in {Kind.SCAN, Kind.WHILE, Kind.BRANCH}:
            return self._result(node, shape)
        operands = tuple(self.slot_of[o] for o in node.operands)
        if node.primitive is RESHAPE:
            self._check_known(node)
            return self._emit(Reshape, shape, operands[0])
        shared = self.shared.get(node)
        if shared is None or shared.operand not in self.slot_of:
            return self._emit(Apply, shape, node, operands)
        return self._emit(Apply, shape, node, operands, self._prepare(shared), shared.evaluate)

    def _prepare(self, shared: Shared) -> int:
        key = _key(shared)
        if key not in self.prepared:
            source, shape = self.slot_of[shared.operand], self.shape(shared.operand)
            self.prepared[key] = self._emit(Prepare, shape, source, shared.work, shared.params)
        return self.prepared[key]

    # ------------------------------------------------------------ programs

    def _result(self, node: Expr, shape: tuple[int, ...]) -> int:
        """One result of a program; the first one met runs the program for all."""
        key = group_of(node)
        parts = self.parts[key]
        if key not in self.runs:
            fields = branch_fields if node.primitive.kind is Kind.BRANCH else loop_fields
            kind, values = fields(node, parts, self)
            self.runs[key] = self._emit(kind, (), *values), parts
        run, parts = self.runs[key]
        return self._emit(Item, shape, run, parts.index(node.param("part")))

    def body(self, roots: Sequence[Expr], leaves: Sequence[Expr]) -> Body:
        """The plan of a program with its arguments."""
        plan = _Planner(roots, self.sizes).plan()
        return Body(plan, tuple(x.param("name") for x in leaves))

    def _check_known(self, node: Expr) -> None:
        if unknown_length(node):
            raise ShapeError(
                f"{node.name} needs a size that is known only when the loop has run; "
                "give the loop max_steps"
            )

    # ------------------------------------------------------------ sums

    def _combination(self, node: Expr, shape: tuple[int, ...]) -> int:
        if len(shape) == 2 and (turned := self.slot_of.get(flipped(node))) is not None:
            return self._single(turned, (1, 0), (0, 1), dict(enumerate(shape)))
        terms: list[Term] = []
        placed: list[Placed] = []
        for operand, coefficient in zip(node.operands, coefficients_of(node), strict=True):
            if operand in self.slot_of:
                axes = tuple(range(len(shape)))
                terms.append(Term(self.slot_of[operand], _as_float(coefficient), axes, axes))
            elif _is_placed(operand):
                slots = tuple(self.slot_of[o] for o in operand.operands)
                entries = prod(self.shape(operand.operands[0]))
                placed.append(Placed(operand, slots, _as_float(coefficient), entries))
            else:
                self._check_known(operand)
                slot, labels, factor = self._core(operand)
                out = contraction_params(operand)[1]
                terms.append(Term(slot, _as_float(coefficient) * factor, labels, out))
        return self._emit(Combine, shape, self._by_pattern(terms), tuple(placed))

    def _by_pattern(self, terms: list[Term]) -> tuple[Term, ...]:
        """Cores on one pattern are added before they are written through it."""
        groups: dict[tuple[Labels, Labels], list[Term]] = {}
        for term in terms:
            groups.setdefault((term.labels, term.out), []).append(term)
        found: list[Term] = []
        for (labels, out), alike in groups.items():
            if labels == out or len(alike) == 1:
                found += alike
                continue
            shape = next(i.shape for i in self.instructions if i.target == alike[0].source)
            axes = tuple(range(len(shape)))
            inner = tuple(Term(t.source, t.factor, axes, axes) for t in alike)
            found.append(Term(self._emit(Combine, shape, inner, ()), 1.0, labels, out))
        return tuple(found)

    # ------------------------------------------------------------ contractions

    def _contraction(self, node: Expr, shape: tuple[int, ...]) -> int:
        out = contraction_params(node)[1]
        if not node.operands:
            return self._emit(Fill, shape, _as_float(contraction_params(node)[2]), out)
        if node in self.spread:
            return self._by_terms(node, self.spread[node], shape)
        early = self.scaled[_without_coefficient(node)] == 1
        slot, labels, factor = self._core(node, early=early)
        if labels != out:
            return self._emit(Combine, shape, (Term(slot, factor, labels, out),))
        return slot if factor == 1 else self._emit_once(Scale, shape, slot, factor)

    def _by_terms(self, node: Expr, total: Expr, shape: tuple[int, ...]) -> int:
        """The contraction of a sum as the sum of contractions."""
        terms: list[Term] = []
        for term, coefficient in zip(total.operands, coefficients_of(total), strict=True):
            slot, labels, factor = self._core(node, instead={total: term})
            own = _as_float(coefficient * contraction_params(term)[2])
            terms.append(Term(slot, own * factor, labels, labels))
        return self._emit(Combine, shape, tuple(terms), ())

    def _core(
        self, node: Expr, *, early: bool = False, instead: Mapping[Expr, Expr] | None = None
    ) -> tuple[int, Labels, float]:
        """Slot and labels of the contraction without its pattern, and its coefficient.

        The coefficient is 1 if an operand is scaled in its place: ``early``, a much smaller one.
        An operand may have another one ``instead``.
        """
        _, out, coefficient = contraction_params(node)
        factor = _as_float(coefficient)
        operands, labels, size = self._region(node, instead)
        if not operands:
            return self._emit_once(Fill, (), 1.0, ()), (), factor
        used = {x for axes in labels for x in axes}
        kept = tuple(x for x in dict.fromkeys(out) if x in used)
        slots = [self.slot_of[o] for o in operands]
        if early and factor != 1:
            shapes = [self.shape(o) for o in operands]
            k = min(range(len(slots)), key=lambda k: prod(shapes[k]))
            if 0 < _EARLY * prod(shapes[k]) <= prod(size[x] for x in kept):
                slots[k], factor = self._emit_once(Scale, shapes[k], slots[k], factor), 1.0
        while len(slots) > 1:
            path = _path(tuple(labels), kept, tuple(sorted(size.items())))
            for pick in path:
                chosen = sorted(pick, reverse=True)
                parts = [(slots.pop(k), labels.pop(k)) for k in chosen]
                alive = {x for axes in labels for x in axes} | set(kept)
                slot, axes = self._pair(parts, alive, kept, size, final=not slots)
                slots.append(slot)
                labels.append(axes)
        if labels[0] != kept:
            slots[0] = self._single(slots[0], labels[0], kept, size)
        elif not instead and kept == out and node.ndim == 2 and is_symmetric(node):
            self._mark_symmetric(slots[0])
        return slots[0], kept, factor

    def _mark_symmetric(self, slot: int) -> None:
        last = self.instructions[-1]
        if isinstance(last, Pair) and last.target == slot and last.left != last.right:
            self.instructions[-1] = replace(last, symmetric=True)

    def _region(
        self, node: Expr, instead: Mapping[Expr, Expr] | None
    ) -> tuple[list[Expr], list[Labels], dict[int, int]]:
        """The operands of a contraction with its merged inner contractions flattened."""
        network = network_of(node, lambda o: o not in self.slot_of, instead)
        size: dict[int, int] = {}
        for operand, axes in network:
            size.update(zip(axes, self.shape(operand), strict=True))
        return [o for o, _ in network], [axes for _, axes in network], size

    def _single(self, slot: int, labels: Labels, out: Labels, size: Mapping[int, int]) -> int:
        shape = tuple(size[x] for x in out)
        entries = prod(size[x] for x in labels)
        names = {x: k for k, x in enumerate(dict.fromkeys(labels))}
        key = Single, slot, tuple(names[x] for x in labels), tuple(names[x] for x in out)
        if key not in self.known:
            self.known[key] = self._emit(Single, shape, slot, labels, out, entries)
        return self.known[key]

    def _pair(
        self,
        parts: list[tuple[int, Labels]],
        alive: set[int],
        wanted: Labels,
        size: dict[int, int],
        *,
        final: bool,
    ) -> tuple[int, Labels]:
        if len(parts) == 1:
            ((slot, axes),) = parts
            out = tuple(x for x in dict.fromkeys(axes) if x in alive)
            return self._single(slot, axes, out, size), out
        prepared: list[tuple[int, Labels]] = []
        for k, (slot, axes) in enumerate(parts):
            others = set(parts[1 - k][1]) | alive
            kept = tuple(x for x in dict.fromkeys(axes) if x in others)
            prepared.append((slot, axes) if kept == axes else
                            (self._single(slot, axes, kept, size), kept))  # fmt: skip
        (right, right_axes), (left, left_axes) = prepared
        both = dict.fromkeys((*left_axes, *right_axes))
        out = tuple(x for x in both if x in alive)
        if final and sorted(wanted) == sorted(out):
            out = wanted
        elif len(out) == len(both) > 2:
            # Nothing is summed: any order, what will be summed over first. Products read a matrix
            # either way, and others know it as it was.
            out = tuple(sorted(out, key=lambda x: wanted.index(x) if x in wanted else -1))
        ordered = sorted(prepared)
        names = {x: k for k, x in enumerate(dict.fromkeys((*ordered[0][1], *ordered[1][1])))}
        key = tuple((slot, tuple(names[x] for x in axes)) for slot, axes in ordered)
        found = self._from_product(key, names, out, size)
        if found is None:
            shape = tuple(size[x] for x in out)
            volume = prod(size[x] for x in both)
            found = self._emit(Pair, shape, left, right, left_axes, right_axes, out, volume)
            renamed = tuple(names[x] for x in out)
            self.products.setdefault(key, []).append((renamed, found))
        return found, out

    def _from_product(
        self, key: Hashable, names: Mapping[int, int], out: Labels, size: Mapping[int, int]
    ) -> int | None:
        """The product of two arrays from one that is known with these axes, perhaps with more."""
        wanted = tuple(names[x] for x in out)
        for axes, slot in self.products.get(key, ()):
            if axes == wanted:
                return slot
            if set(wanted) <= set(axes):
                return self._single(slot, axes, wanted, {names[x]: size[x] for x in names})
        return None


def _shared_work(order: Sequence[Expr]) -> dict[Expr, Shared]:
    """The work that at least two nodes begin with, for each of them."""
    found: dict[Expr, Shared] = {}
    for node in order:
        shared = node.primitive.shared(node) if node.primitive.shared is not None else None
        if shared is not None:
            found[node] = shared
    count = Counter(_key(shared) for shared in found.values())
    return {node: shared for node, shared in found.items() if count[_key(shared)] > 1}


def _key(shared: Shared) -> Hashable:
    return shared.work, shared.params, shared.key or shared.operand


def _as_float(value: Fraction) -> float:
    """The nearest float; infinite beyond the largest, as IEEE has it."""
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf


def _is_placed(node: Expr) -> bool:
    """Does an operation add it to a sum, in the places where it is not zero?"""
    return node.primitive.add_into is not None and node.dtype == "real" and node.ndim > 0


def _is_constant(node: Expr) -> bool:
    return node.primitive is CONTRACT and not node.operands


def _without_coefficient(node: Expr) -> Hashable:
    """What contractions that differ in a factor only have in common."""
    return (node.operands, *node.params[:2]) if node.primitive is CONTRACT else node


def _has_coefficient(node: Expr) -> bool:
    return contraction_params(node)[2] != 1


@lru_cache(maxsize=4096)
def _path(
    labels: tuple[Labels, ...], out: Labels, sizes: tuple[tuple[int, int], ...]
) -> tuple[tuple[int, ...], ...]:
    """Pairs in the order in which to contract them (dynamic programming, greedy when many)."""
    if len(labels) == 1:
        return ((0,),)
    if len(labels) == 2:
        return ((0, 1),)
    first: list[tuple[int, int]] = []
    while len(labels) > 2 and (alike := _alike(labels)) is not None:
        rest = [axes for k, axes in enumerate(labels) if k not in alike]
        alive = {x for axes in rest for x in axes} | set(out)
        labels = (*rest, tuple(x for x in labels[alike[0]] if x in alive))
        first.append(alike)
    return (*first, *_searched(labels, out, sizes))


def _searched(
    labels: tuple[Labels, ...], out: Labels, sizes: tuple[tuple[int, int], ...]
) -> tuple[tuple[int, ...], ...]:
    """The pairs by search."""
    if len(labels) == 2:
        return ((0, 1),)
    inputs: Any = [frozenset(axes) for axes in labels]
    output: Any = frozenset(out)
    size: Any = dict(sizes)
    path: Any = None
    if len(labels) <= _EXACT_CAP:
        # Its search ends at a bound that pairs of arrays of one entry may exceed.
        with suppress(RuntimeError):
            path = opt_einsum.paths.dynamic_programming(inputs, output, size)
    if path is None:
        path = opt_einsum.paths.greedy(inputs, output, size, None, None, _pair_cost(size))
    return tuple(tuple(step) for step in path)


def _alike(labels: Sequence[Labels]) -> tuple[int, int] | None:
    """Two arrays with the same axes: their product entry by entry is never larger than they are.

    opt_einsum takes arrays that share only axes of the result for unrelated ones.
    """
    seen: dict[frozenset[int], int] = {}
    for k, axes in enumerate(labels):
        first = seen.setdefault(frozenset(axes), k)
        if first != k:
            return first, k
    return None


def _pair_cost(size: Mapping[int, int]) -> Any:
    """What the greedy order minimises: the FLOPs of a pair, less the entries that it frees.

    opt_einsum's own cost counts entries only, by which A·B is as good as A·x.
    """

    def cost(
        size12: int, size1: int, size2: int, _k12: Labels, k1: frozenset[int], k2: frozenset[int]
    ) -> int:
        return prod(size[x] for x in k1 | k2) - size1 - size2 + size12

    return cost
