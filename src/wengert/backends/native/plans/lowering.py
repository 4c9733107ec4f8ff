"""Statements of a plan's instructions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from wengert.backends.native.plans.arrays import Arrays, Rows
from wengert.backends.native.plans.branches import lower_branch, lower_item
from wengert.backends.native.plans.loop_lowering import lower_loop
from wengert.backends.native.plans.lowerable import writer_of
from wengert.backends.native.plans.pairs import Pairs
from wengert.backends.native.plans.placing import Placing
from wengert.backends.native.plans.statements import (
    Layout,
    Shape,
    itself,
    multiple,
    number,
    row_major,
)
from wengert.expr import Expr
from wengert.plan.instructions import (
    Apply,
    Body,
    Branch,
    Combine,
    Fill,
    Instruction,
    Item,
    Labels,
    Loop,
    Pair,
    Reshape,
    Scale,
    Single,
    Term,
)


class Lowering(Pairs, Placing):
    """Makes the statements of some of a plan's instructions."""

    def within(self, name: str, body: Body) -> Lowering:
        """The lowering of a program of a loop or branch."""
        plan = body.plan
        inner = Lowering(self.real, plan.instructions, plan.outputs)
        inner.graph.name, inner.graph.fresh = name, plan.slots
        return inner

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
