"""Statements of a plan's instructions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from wengert.backends.native.layout import DTYPES
from wengert.backends.native.mathematics.routines import FUNCTIONS
from wengert.backends.native.plans.arrays import Arrays, Rows
from wengert.backends.native.plans.branches import lower_branch, lower_item
from wengert.backends.native.plans.inside import Cell
from wengert.backends.native.plans.loop_lowering import lower_loop
from wengert.backends.native.plans.moving import (
    is_view,
    moves_of,
    moving_operands,
    strides_of_view,
    unwritten,
)
from wengert.backends.native.plans.products import HALVED
from wengert.backends.native.plans.routines import Routine
from wengert.backends.native.plans.sources import scaled
from wengert.backends.native.plans.statements import (
    Access,
    Contraction,
    Graph,
    Layout,
    Shape,
    itself,
    multiple,
    number,
    product,
    row_major,
)
from wengert.backends.native.plans.statements import Product as Multiply
from wengert.backends.native.plans.tiles import tiling
from wengert.backends.native.plans.transfers import Transfer, transfers_of, write_transfer
from wengert.backends.native.types import F32, F64, I8, I64, Type
from wengert.backends.native.ufuncs import loop_of
from wengert.backends.numpy_steps import factors, is_product
from wengert.expr import Expr
from wengert.plan.instructions import (
    Apply,
    Body,
    Branch,
    Combine,
    Fill,
    Input,
    Instruction,
    Item,
    Labels,
    Loop,
    Pair,
    Plan,
    Reshape,
    Scale,
    Single,
    Term,
)

SMALL = 4096  # multiplications from which on a contraction is tiles, or BLAS is called
LARGE = 1 << 17  # multiplications of matrices from which on BLAS is quicker than tiles
_NARROW = 4  # columns below which tiles are not worth while

Kinds = Mapping[int, str | None]


# ---------------------------------------------------------------- what can be lowered


def kinds_of(plan: Plan) -> dict[int, str | None]:
    """What each slot holds, "real", "int" or "bool"; None if that is not known or no array."""
    kinds: dict[int, str | None] = {}
    of_tuples: dict[int, list[str | None]] = {}
    for i in plan.instructions:
        if isinstance(i, Input):
            kinds[i.target] = i.dtype
        elif isinstance(i, Apply):
            kinds[i.target] = i.node.dtype
        elif isinstance(i, Reshape | Single):
            kinds[i.target] = kinds[i.source]
        elif isinstance(i, Item):
            kinds[i.target] = of_tuples[i.source][i.index]
        elif isinstance(i, Fill | Pair | Scale | Combine):
            kinds[i.target] = "real"
        else:
            kinds[i.target] = None
        if isinstance(i, Loop):
            of_tuples[i.target] = [r.dtype for r in i.results]
        elif isinstance(i, Branch):
            plan = i.programs[0].plan
            inner = kinds_of(plan)
            of_tuples[i.target] = [inner[o] for o in plan.outputs]
    return kinds


def writer_of(node: Expr) -> Callable[..., Any] | None:
    """``write(lanes, *entries)`` of an elementwise operation, if it has such a form."""
    primitive = node.primitive
    form = primitive.written or primitive.name
    if not isinstance(form, str):
        return partial(_by_form, form, node)
    if not primitive.elementwise:
        return None
    if form in FUNCTIONS and FUNCTIONS[form].arity == len(node.operands):
        return partial(_by_routine, form)
    return _by_ufunc(node)


def _by_ufunc(node: Expr) -> Callable[..., Any] | None:
    """The first of the ufuncs that the operation equals which has loops of real numbers."""
    numbers = tuple(map(type, node.params))
    count = len(node.operands)
    if node.dtype != "real" or any(o.dtype != "real" for o in node.operands):
        return None
    for ufunc in node.primitive.ufuncs:
        if all(loop_of(ufunc, (*numbers, *(t,) * count)) for t in (F64, F32)):
            return partial(_call_ufunc, ufunc, node.params)
    return None


def _call_ufunc(ufunc: Any, params: tuple[Any, ...], lanes: Any, *entries: Any) -> Any:
    return lanes.call(ufunc, *params, *entries)


def _by_form(form: Callable[..., Any], node: Expr, lanes: Any, *entries: Any) -> Any:
    return form(lanes, node, *entries)


def _by_routine(routine: str, lanes: Any, *entries: Any) -> Any:
    return lanes.call(routine, *entries)


def can_be_lowered(i: Instruction, kinds: Kinds, shapes: Mapping[int, Shape]) -> bool:
    """Is there native code for the instruction?"""
    if isinstance(i, Apply):
        return bool(i.operands) and _is_written(i, [kinds[o] for o in i.operands], shapes)
    if isinstance(i, Single):
        return kinds[i.source] is not None and (
            kinds[i.source] == "real" or set(i.labels) == set(i.out)
        )
    if isinstance(i, Reshape):
        return kinds[i.source] is not None
    if isinstance(i, Combine):
        placed = all(_is_moved(p.node, p.operands, kinds, shapes, i.shape) for p in i.placed)
        terms = [t.source for t in i.terms]
        return placed and all(kinds[s] == "real" for s in terms)
    if isinstance(i, Scale | Pair):
        return all(kinds[s] == "real" for s in i.sources)
    return isinstance(i, Fill)


def _is_written(i: Apply, kinds: Sequence[str | None], shapes: Mapping[int, Shape]) -> bool:
    primitive = i.node.primitive
    if primitive.route is not None:
        return _is_moved(
            i.node, i.operands, dict(zip(i.operands, kinds, strict=True)), shapes, i.shape
        )
    expected = [d.dtype for d in primitive.domains]
    expected += expected[-1:] * (len(kinds) - len(expected))
    if primitive.dtype == "same":
        expected[0] = kinds[0] or expected[0]
    if primitive.by_rows is not None or primitive.by_arrays is not None:
        entries = all(prod(shapes[o]) for o in i.operands) or not i.size
        return kinds == expected and entries
    comparison = i.node.dtype == "bool" and len(kinds) == 2 and set(expected) == {"real"}
    conversion = i.node.dtype == "real" and expected == ["bool"]
    fits = kinds == expected or (set(kinds) == {"int"} and (comparison or conversion))
    return fits and writer_of(i.node) is not None


def _is_moved(
    node: Expr, operands: Sequence[int], kinds: Kinds, shapes: Mapping[int, Shape], result: Shape
) -> bool:
    moving = [operands[k] for k in moving_operands(node)]
    if any(kinds[o] != (node.dtype if o in moving else "int") for o in operands):
        return False
    given = [shapes[o] for o in moving]
    if moves_of(node, given, result) is not None:
        return True
    return transfers_of(node, [(s, row_major(s)) for s in given], result) is not None


# ---------------------------------------------------------------- lowering


class Lowering:
    """Makes the statements of some of a plan's instructions.

    Parameters
    ----------
    real : Type
        Of real numbers.
    scaled : mapping of int to (int, float)
        Products that are needed as a multiple only: its slot, and the factor.
    """

    def __init__(self, real: Type, scaled: Mapping[int, tuple[int, float]]) -> None:
        self.graph = Graph(real)
        self.memo: dict[Any, int] = {}
        self.runs: dict[Any, tuple[int, ...]] = {}
        self.real = real
        self.tuples: dict[int, list[int]] = {}
        self.tapes: dict[int, Cell] = {}
        self._types = {"real": real, "double": F64, "int": I64, "bool": I8}
        self._scaled = scaled

    def within(self, name: str, body: Body) -> Lowering:
        """The lowering of a program of a loop or branch."""
        plan = body.plan
        inner = Lowering(self.real, scaled(plan.instructions, plan.outputs))
        inner.graph.name, inner.graph.fresh = name, plan.slots
        return inner

    def type_of(self, kind: str) -> Type:
        """Of "real", "int" or "bool"."""
        return self._types[kind]

    def enter(self, slot: int, shape: Shape, kind: str) -> None:
        """A value that comes from outside."""
        self.graph.enter(slot, shape, self._types[kind])

    def know(self, slot: int, array: Any, kind: str) -> None:
        """A value that is known."""
        self.graph.enter(slot, array.shape, self._types[kind])
        dtype = DTYPES[self._types[kind]]
        self.graph.tables[slot] = np.ascontiguousarray(array, dtype).reshape(array.shape)

    def lower(self, i: Instruction) -> None:
        """Add an instruction's statements."""
        _LOWER[type(i)](self, i)

    # ------------------------------------------------ one array

    def fill(self, i: Fill) -> None:
        """A constant."""
        graph = self.graph
        graph.enter(i.target, i.shape, self.real)
        if len(set(i.out)) == len(i.out):
            graph.constants[i.target] = i.value
            return
        base = graph.new(i.shape, self.real)
        graph.constant(base, 0.0)
        self._through(i.target, base, i.out, [], (), number(i.value, self.real))

    def single(self, i: Single) -> None:
        """Diagonals, sums and permutations: views, where nothing is summed."""
        graph = self.graph
        type_ = graph.types[i.source]
        places = {x: k for k, x in enumerate(dict.fromkeys(i.labels))}
        sizes = dict(zip(i.labels, graph.shapes[i.source], strict=True))
        if set(i.labels) == set(i.out) and i.source not in graph.constants:
            inner = graph.access(i.source, [places[x] for x in i.labels], len(places))
            strides = tuple(inner.strides[places[x]] for x in i.out)
            graph.view(i.target, i.shape, Layout(inner.slot, strides, inner.offset), type_)
            return
        source = self.stored(i.source)
        labels = self._in_memory_order(source, i.labels)
        space = tuple(sizes[x] for x in labels)
        graph.enter(i.target, i.shape, type_)
        read = graph.access(source, [labels.index(x) for x in i.labels], len(labels))
        self.reduce(i.target, space, [read], itself, labels, i.out)

    def _in_memory_order(self, slot: int, labels: Labels) -> Labels:
        """Distinct labels, that of the longest step in memory first."""
        steps: dict[int, int] = {}
        for x, step in zip(labels, self.graph.layouts[slot].strides, strict=True):
            steps[x] = steps.get(x, 0) + step
        return tuple(sorted(steps, key=lambda x: -abs(steps[x])))

    def scale(self, i: Scale) -> None:
        """A multiple."""
        if i.target in self.graph.shapes:  # by the product that it is a multiple of
            return
        axes = [range(len(i.shape))]
        self.free_map(i.target, i.shape, [i.source], multiple(i.factor), self.real, axes)

    def reshape(self, i: Reshape) -> None:
        """Another shape: a view, or a copy of a view that is not in a row."""
        graph = self.graph
        source = self.in_a_row(i.source)
        found = graph.layouts[source]
        layout = Layout(found.slot, row_major(i.shape), found.offset)
        graph.view(i.target, i.shape, layout, graph.types[source])

    # ------------------------------------------------ sums

    def combine(self, i: Combine) -> None:
        """A sum of multiples, some of them along diagonals."""
        graph = self.graph
        diagonal = [t for t in i.terms if len(set(t.out)) < len(t.out)]
        whole = [t for t in i.terms if len(set(t.out)) == len(t.out)]
        left = len(diagonal) + len(i.placed)
        if not left:
            self._total(i.target, whole, i.shape)
            return
        graph.enter(i.target, i.shape, self.real)
        target = graph.new(i.shape, self.real)
        if not whole:
            graph.constant(target, 0.0)
        else:
            self._total(target, whole, None)
        for part in (*diagonal, *i.placed):
            left -= 1
            following = graph.new(i.shape, self.real) if left else i.target
            write = multiple(part.factor)
            if isinstance(part, Term):
                self._through(following, target, part.out, [part.source], part.labels, write)
            else:
                self._move(following, target, part.node, part.operands, write)
            target = following

    def _total(self, target: int, terms: Sequence[Term], shape: Shape | None) -> None:
        """Terms whose factors differ in sign only are added up first.

        Every operation is rounded, in the order of NumPy's steps (``numpy_sums``): what cancels
        there to zero is zero here, and the derivative of a norm there is that of zero. If a shape
        is given the target is new, and may lie in memory in any order.
        """
        groups: dict[float, list[Term]] = {}
        for term in sorted(terms, key=lambda t: (t.factor < 0, not t.plain)):
            groups.setdefault(abs(term.factor), []).append(term)
        ordered = sorted(
            groups.items(),
            key=lambda g: (g[0] != 1, not any(t.plain for t in g[1]), g[1][0].factor < 0),
        )
        listed = [t for _, group in ordered for t in group]
        signs = [[t.factor < 0 for t in group] for _, group in ordered]
        sizes = [size for size, _ in ordered]
        sources = [t.source for t in listed]
        axes = [[t.out.index(x) for x in t.labels] for t in listed]

        def write(lanes: Any, *entries: Any) -> Any:
            given = iter(entries)
            total: Any = None
            for size, negatives in zip(sizes, signs, strict=True):
                parts = [next(given) for _ in negatives]
                total = _add_group(total, size, parts, negatives)
            return total

        if shape is None:
            self.map(target, sources, write, axes)
        else:
            self.free_map(target, shape, sources, write, self.real, axes)

    def _through(
        self,
        target: int,
        base: int,
        out: Labels,
        sources: Sequence[int],
        labels: Labels,
        write: Callable[..., Any],
    ) -> None:
        """Add to the entries whose indices agree on equal labels."""
        graph = self.graph
        shape = graph.shapes[target]
        distinct = tuple(dict.fromkeys(out))
        space = tuple(shape[out.index(x)] for x in distinct)
        steps = [0] * len(distinct)
        for x, stride in zip(out, row_major(shape), strict=True):
            steps[distinct.index(x)] += stride
        reads = [
            graph.access(self.stored(s), [distinct.index(x) for x in labels], len(distinct))
            for s in sources
        ]
        graph.statement(target, space, reads, write, tuple(steps), into=base)

    # ------------------------------------------------ products

    def pair(self, i: Pair) -> None:
        """A product of two arrays."""
        graph = self.graph
        for_blas = is_product(i) and len(i.shape) > 0
        halved = i.symmetric and max(i.shape, default=0) >= HALVED
        if i.volume >= SMALL and for_blas and (len(i.shape) == 1 or i.volume >= LARGE or halved):
            self._by_blas(i)
            return
        both = (i.left_labels, i.right_labels)
        sizes = {
            x: n
            for labels, s in zip(both, i.sources, strict=True)
            for x, n in zip(labels, graph.shapes[s], strict=True)
        }
        if set(sizes) == set(i.out) and len(sizes) == len(i.out):
            axes = [[i.out.index(x) for x in own] for own in both]
            self.free_map(i.target, i.shape, i.sources, product, self.real, axes)
            return
        graph.enter(i.target, i.shape, self.real)
        if i.volume >= SMALL:
            if self._by_tiles(i, sizes):
                return
            if for_blas:
                self._by_blas(i)
                return
        labels = self._order(i)
        space = tuple(sizes[x] for x in labels)
        axes = [[labels.index(x) for x in own] for own in both]
        reads, write = self.accesses([i.left, i.right], axes, len(space), product)
        self.reduce(i.target, space, reads, write, labels, i.out)

    def _order(self, i: Pair) -> Labels:
        """The order of the loops: entries that follow each other in memory come last."""
        labels = tuple(dict.fromkeys((*i.out, *i.left_labels, *i.right_labels)))
        for slot, own in ((i.left, i.left_labels), (i.right, i.right_labels)):
            if set(own) == set(labels) and slot not in self.graph.constants:
                return self._in_memory_order(slot, own)
        ends = [own[-1] for own in (i.left_labels, i.right_labels) if own]
        if i.out and any(end == i.out[-1] for end in ends):
            summed = tuple(x for x in labels if x not in i.out)
            return (*i.out[:-1], *summed, i.out[-1])
        return labels

    def _by_tiles(self, i: Pair, sizes: Mapping[int, int]) -> bool:
        """A contraction that is a loop of products; False if it is none."""
        graph = self.graph
        if i.left in graph.constants or i.right in graph.constants or len(set(i.out)) < len(i.out):
            return False
        labels = tuple(dict.fromkeys((*i.out, *i.left_labels, *i.right_labels)))
        first = max(labels, key=lambda x: sizes[x])  # a block of its indices may be worked on
        labels = (first, *(x for x in labels if x != first))
        space = tuple(sizes[x] for x in labels)
        strides = dict(zip(i.out, row_major(i.shape), strict=True))
        places = tuple(strides.get(x, 0) for x in labels)

        def access(slot: int, own: Labels) -> Access:
            return graph.access(slot, [labels.index(x) for x in own], len(labels))

        left, right = access(i.left, i.left_labels), access(i.right, i.right_labels)
        tiles = tiling(space, left.strides, right.strides, places)
        if tiles is None or tiles.columns.size < _NARROW:
            return False
        if not tiles.packed:
            if tiles.rows.size < _NARROW:
                return False
            if tiles.turned:
                left = access(*self._packed(i.left, i.left_labels, i.out[-1]))
            else:
                right = access(*self._packed(i.right, i.right_labels, i.out[-1]))
        target, factor = self._scaled.get(i.target, (i.target, 1.0))
        graph.enter(target, i.shape, self.real)
        graph.works.append(Contraction(target, space, left, right, places, factor))
        return True

    def _packed(self, slot: int, labels: Labels, last: int) -> tuple[int, Labels]:
        """A copy whose entries follow each other along one label."""
        graph = self.graph
        axes = [k for k, x in enumerate(labels) if x != last] + [labels.index(last)]
        layout = graph.layouts[slot]
        shape = tuple(graph.shapes[slot][k] for k in axes)
        turned = graph.fresh
        strides = tuple(layout.strides[k] for k in axes)
        graph.view(turned, shape, Layout(layout.slot, strides, layout.offset), self.real)
        return graph.copy(turned), tuple(labels[k] for k in axes)

    def _by_blas(self, i: Pair) -> None:
        graph = self.graph
        target, factor = self._scaled.get(i.target, (i.target, 1.0))
        graph.enter(target, i.shape, self.real)
        x, turn_x, y, turn_y = factors(i)
        if len(graph.shapes[x]) == 1:  # xᵀ A = (Aᵀ x)ᵀ
            x, turn_x, y, turn_y = y, not turn_y, x, False
        rows, summed = graph.shapes[x][::-1] if turn_x else graph.shapes[x]
        vector = len(graph.shapes[y]) == 1
        columns = 1 if vector else graph.shapes[y][0 if turn_y else 1]
        symmetric = i.symmetric or (x == y and turn_x != turn_y and not vector)
        (left, begin), turn_x = self._matrix(x, turn_x)
        (right, second), turn_y = self._matrix(y, turn_y)
        graph.works.append(
            Multiply(
                target, left, right, rows, columns, summed, (turn_x, turn_y), factor, vector,
                (begin, second), symmetric,
            )
        )  # fmt: skip

    def _matrix(self, slot: int, turned: bool) -> tuple[tuple[int, int], bool]:
        """Where BLAS can read a slot, and whether it is to be transposed."""
        graph = self.graph
        slot = self.stored(slot)
        shape, layout = graph.shapes[slot], graph.layouts[slot]
        if graph.in_a_row(slot):
            return (layout.slot, layout.offset), turned
        if len(shape) == 2 and layout.strides == (1, shape[0]):
            return (layout.slot, layout.offset), not turned
        return (graph.copy(slot), 0), turned

    # ------------------------------------------------ operations

    def apply(self, i: Apply) -> None:
        """An operation, by its own declaration."""
        graph, node = self.graph, i.node
        if node.primitive.route is not None:
            self._moved(i)
            return
        by_rows, by_arrays = node.primitive.by_rows, node.primitive.by_arrays
        if not i.size:
            graph.enter(i.target, i.shape, self._types[node.dtype])
            return
        if by_rows is not None:
            self._is(i, by_rows(Rows(self, _rank_of(node)), node, *i.operands))
            return
        if by_arrays is not None:
            self._is(i, by_arrays(Arrays(self), node, *map(self.stored, i.operands)))
            return
        write = writer_of(node)
        assert write is not None
        axes = [list(range(len(i.shape) - len(graph.shapes[o]), len(i.shape))) for o in i.operands]
        self.free_map(i.target, i.shape, i.operands, write, self._types[node.dtype], axes)

    def _is(self, i: Apply, found: int) -> None:
        """The instruction's value is that of a slot."""
        graph = self.graph
        graph.view(i.target, i.shape, graph.layouts[found], graph.types[found])

    def _moved(self, i: Apply) -> None:
        """A view, where every entry comes from one operand; else added to zeros."""
        graph, type_ = self.graph, self._types[i.node.dtype]
        moving = [i.operands[k] for k in moving_operands(i.node)]
        moves = moves_of(i.node, [graph.shapes[o] for o in moving], i.shape)
        if moves is not None and len(moves) == 1 and is_view(moves[0], i.shape):
            layout = graph.layouts[self.in_a_row(moving[0])]
            offset = layout.offset + moves[0].source.offset
            strides = strides_of_view(moves[0], i.shape)
            graph.view(i.target, i.shape, Layout(layout.slot, strides, offset), type_)
            return
        graph.enter(i.target, i.shape, type_)
        if moves is None and self._gathered(i):
            return
        left = unwritten(moves, i.shape) if moves else None
        if left is not None:
            self._in_parts(i, left)
            return
        base = graph.new(i.shape, type_)
        graph.constant(base, 0)
        self._move(i.target, base, i.node, i.operands, itself)

    def _gathered(self, i: Apply) -> bool:
        """Write what fills its result in order, if it is such an operation."""
        transfers = self._transfers(i.node, i.operands, i.shape)
        if len(transfers) != 1 or not transfers[0][1].whole:
            return False
        self._transfer(i.target, *transfers[0], i.operands, itself)
        return True

    def _transfers(
        self, node: Expr, operands: Sequence[int], result: Shape
    ) -> list[tuple[int, Transfer]]:
        """The operands whose entries move, and how."""
        graph = self.graph
        moving = [self.stored(operands[k]) for k in moving_operands(node)]
        given = [(graph.shapes[o], graph.layouts[o].strides) for o in moving]
        return list(zip(moving, transfers_of(node, given, result) or [], strict=True))

    def _transfer(
        self,
        target: int,
        source: int,
        transfer: Transfer,
        operands: Sequence[int],
        write: Callable[..., Any],
        into: int | None = None,
    ) -> None:
        graph = self.graph
        read = [source]
        for lookup in (*transfer.source.lookups, *transfer.target.lookups):
            if isinstance(lookup.table, int):
                read.append(self.stored(operands[lookup.table]))
                continue
            read.append(slot := graph.new(lookup.table.shape, I64))
            graph.tables[slot] = np.array(lookup.table, np.int64, order="C")
        layouts = [graph.layouts[s] for s in read]
        graph.works.append(
            Routine(
                (target,), tuple(Access(at.slot, at.strides, at.offset) for at in layouts),
                tuple(graph.shapes[s] for s in read),
                partial(write_transfer, transfer=transfer, write=write), into,
            )
        )  # fmt: skip

    def _in_parts(self, i: Apply, zeros: Sequence[tuple[int, int]]) -> None:
        """Write what moves, and stretches of zeros, each where it belongs."""
        graph, type_ = self.graph, self._types[i.node.dtype]
        base: int | None = None
        for begin, count in zeros:
            following = graph.new(i.shape, type_)
            graph.statement(
                following, (count,), [], number(0.0, type_), (1,), into=base, offset=begin,
                partial=True,
            )  # fmt: skip
            base = following
        self._move(i.target, base, i.node, i.operands, itself, alone=True)

    def _move(
        self,
        target: int,
        base: int | None,
        node: Expr,
        operands: Sequence[int],
        write: Callable[..., Any],
        *,
        alone: bool = False,
    ) -> None:
        """Add operands' entries where they belong, or write them if they are ``alone`` there."""
        graph = self.graph
        moving = [operands[k] for k in moving_operands(node)]
        result, type_ = graph.shapes[target], graph.types[target]
        moves = moves_of(node, [graph.shapes[o] for o in moving], result)
        if moves is None:
            transfers = self._transfers(node, operands, result)
            for k, (operand, transfer) in enumerate(transfers):
                following = target if k == len(transfers) - 1 else graph.new(result, type_)
                self._transfer(following, operand, transfer, operands, write, base)
                base = following
            return
        for k, (operand, move) in enumerate(zip(moving, moves, strict=True)):
            following = target if k == len(moves) - 1 else graph.new(result, type_)
            layout = graph.layouts[self.in_a_row(operand)]
            read = Access(layout.slot, move.source.strides, layout.offset + move.source.offset)
            graph.statement(
                following, move.space, [read], write, move.target.strides, into=base,
                offset=move.target.offset, partial=alone,
            )  # fmt: skip
            base = following

    def in_a_row(self, slot: int) -> int:
        """A slot whose entries lie in memory without gaps."""
        stored = self.stored(slot)
        return stored if self.graph.in_a_row(stored) else self.graph.copy(stored)

    # ------------------------------------------------ helpers

    def stored(self, slot: int) -> int:
        """A slot that is in memory: constants are written into it when they are needed so."""
        graph = self.graph
        if slot in graph.constants:
            value = graph.constants.pop(slot)
            graph.constant(slot, value)
        return slot

    def map(
        self,
        target: int,
        sources: Sequence[int],
        write: Callable[..., Any],
        axes: Sequence[Sequence[int]] | None = None,
    ) -> None:
        """Write a function of sources, entry by entry; ``axes[k]`` are those of source k."""
        graph = self.graph
        space = graph.shapes[target]
        places = axes or [range(len(space))] * len(sources)
        reads, filled = self.accesses(sources, places, len(space), write)
        graph.statement(target, space, reads, filled)

    def free_map(
        self,
        target: int,
        shape: Shape,
        sources: Sequence[int],
        write: Callable[..., Any],
        type_: Type,
        axes: Sequence[Sequence[int]],
    ) -> None:
        """Write a new slot entry by entry, in the order in which the sources lie in memory."""
        graph = self.graph
        order = self._common_order(shape, sources, axes)
        if order == tuple(range(len(shape))):
            graph.enter(target, shape, type_)
            self.map(target, sources, write, axes)
            return
        made = graph.new(tuple(shape[k] for k in order), type_)
        place = {axis: k for k, axis in enumerate(order)}
        self.map(made, sources, write, [[place[k] for k in own] for own in axes])
        steps = graph.layouts[made].strides
        strides = tuple(steps[place[k]] for k in range(len(shape)))
        graph.view(target, shape, Layout(made, strides), type_)

    def _common_order(
        self, shape: Shape, sources: Sequence[int], axes: Sequence[Sequence[int]]
    ) -> tuple[int, ...]:
        """The axes in the order of the sources that have all of them, if these agree."""
        graph, plain = self.graph, tuple(range(len(shape)))
        found = set[tuple[int, ...]]()
        for slot, own in zip(sources, axes, strict=True):
            if slot in graph.constants or prod(graph.shapes[slot]) != prod(shape):
                continue
            steps = graph.access(slot, own, len(shape)).strides
            order = tuple(sorted(plain, key=lambda k: (shape[k] != 1, -steps[k])))
            dense = row_major(tuple(shape[k] for k in order))
            if any(shape[k] != 1 and steps[k] != d for k, d in zip(order, dense, strict=True)):
                return plain
            found.add(order if any(steps[k] != s for k, s in enumerate(row_major(shape))
                                   if shape[k] != 1) else plain)  # fmt: skip
        return found.pop() if len(found) == 1 else plain

    def mapped(
        self, write: Callable[..., Any], *values: int, kind: str = "real", last: bool = False
    ) -> int:
        """A function entry by entry, in a new slot.

        Shorter shapes are those of the first axes, or of the ``last``.
        """
        graph = self.graph
        key = write, values
        if key in self.memo:
            return self.memo[key]
        shape = max((graph.shapes[v] for v in values), key=len)
        self.memo[key] = target = graph.new(shape, self._types[kind])
        skipped = [len(shape) - len(graph.shapes[v]) if last else 0 for v in values]
        axes = [
            [k + axis for axis in range(len(graph.shapes[v]))]
            for k, v in zip(skipped, values, strict=True)
        ]
        self.map(target, values, write, axes)
        return target

    def accesses(
        self,
        sources: Sequence[int],
        axes: Sequence[Sequence[int]],
        rank: int,
        write: Callable[..., Any],
    ) -> tuple[list[Any], Callable[..., Any]]:
        """Reads of what is in memory, and the writer with the constants filled in."""
        graph = self.graph
        constants = {k: graph.constants[s] for k, s in enumerate(sources) if s in graph.constants}
        reads = [
            graph.access(s, own, rank)
            for k, (s, own) in enumerate(zip(sources, axes, strict=True))
            if k not in constants
        ]
        if not constants:
            return reads, write
        count, real = len(sources), self.real

        def filled(lanes: Any, *entries: Any) -> Any:
            given = iter(entries)
            return write(lanes, *[
                lanes.constant(constants[k], real) if k in constants else next(given)
                for k in range(count)
            ])  # fmt: skip

        return reads, filled

    def reduce(
        self,
        target: int,
        space: Shape,
        reads: Sequence[Any],
        write: Callable[..., Any],
        labels: Labels,
        out: Labels,
        name: str = "sum",
    ) -> None:
        """Write entries that are put together over the labels that are not in ``out``."""
        strides = dict(zip(out, row_major(self.graph.shapes[target]), strict=True))
        places = tuple(strides.get(x, 0) for x in labels)
        reduction = None if set(labels) <= set(out) else name
        self.graph.statement(target, space, reads, write, places, reduction)


def _rank_of(node: Expr) -> int:
    """How many trailing axes an operation works on: its parameter, or one."""
    return int(node.param("rank")) if "rank" in node.primitive.parameters else 1


def _add_group(total: Any, size: float, parts: Sequence[Any], negatives: Sequence[bool]) -> Any:
    """``total + size · (± parts)``; the parts with a plus come first."""
    flip, value = negatives[0], parts[0]
    for negative, part in zip(negatives[1:], parts[1:], strict=True):
        value = value - part if negative != flip else value + part
    factor = -size if flip else size
    if total is None:
        return value * factor if size != 1 else (-value if flip else value)
    if size != 1:
        return total + value * factor
    return total - value if flip else total + value


_LOWER: dict[type[Instruction], Callable[[Lowering, Any], None]] = {
    Fill: Lowering.fill,
    Single: Lowering.single,
    Scale: Lowering.scale,
    Reshape: Lowering.reshape,
    Combine: Lowering.combine,
    Pair: Lowering.pair,
    Apply: Lowering.apply,
    Loop: lower_loop,
    Branch: lower_branch,
    Item: lower_item,
}
