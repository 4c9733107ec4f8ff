"""Products of two arrays: loops, tiles in registers, or BLAS."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from wengert.backends.native.plans.products import HALVED
from wengert.backends.native.plans.slots import Slots
from wengert.backends.native.plans.statements import (
    Access,
    Contraction,
    Layout,
    Shape,
    Strides,
    product,
    row_major,
)
from wengert.backends.native.plans.statements import Product as Multiply
from wengert.backends.native.plans.tiles import tiling
from wengert.backends.numpy_steps import factors, is_product
from wengert.plan.instructions import Labels, Pair

SMALL = 4096  # multiplications from which on a contraction is tiles, or BLAS is called
LARGE = 1 << 17  # multiplications of matrices from which on BLAS is quicker than tiles
_THIN = 12  # entries of an axis of matrices up to which tiles are quicker in any case
_CACHED = 1 << 19  # bytes of a factor that stays in the cache
_PACKED = 32  # multiplications for each entry that is copied, from which on that is worth while
_NARROW = 4  # columns below which tiles are not worth while


class Pairs(Slots):
    """Makes the statements of products."""

    def pair(self, i: Pair) -> None:
        """A product of two arrays."""
        graph = self.graph
        for_blas = is_product(i) and len(i.shape) > 0
        halved = i.symmetric and max(i.shape, default=0) >= HALVED
        large = i.volume >= LARGE and not self._is_thin(i)
        if i.volume >= SMALL and for_blas and (len(i.shape) == 1 or large or halved):
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
            if self._by_tiles(i, sizes, for_blas=for_blas):
                return
            if for_blas:
                self._by_blas(i)
                return
        labels = self._order(i)
        space = tuple(sizes[x] for x in labels)
        axes = [[labels.index(x) for x in own] for own in both]
        reads, write = self.accesses([i.left, i.right], axes, len(space), product)
        self.reduce(i.target, space, reads, write, labels, i.out)

    def _is_thin(self, i: Pair) -> bool:
        """Is it a product of matrices with a short axis, whose large factor is in the cache?

        One that is computed is there, a block of rows at a time.
        """
        shapes = [i.shape, *(self.graph.shapes[s] for s in i.sources)]
        if min(min(shape, default=1) for shape in shapes) > _THIN:
            return False
        outside = [self.graph.shapes[s] for s in i.sources if s in self.outside]
        large = [s for s in outside if prod(s) * self.real.size > _CACHED]
        return all(min(shape) <= _THIN for shape in large)

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

    def _by_tiles(self, i: Pair, sizes: Mapping[int, int], *, for_blas: bool) -> bool:
        """A contraction that is a loop of products; False if it is none."""
        graph = self.graph
        if i.left in graph.constants or i.right in graph.constants or len(set(i.out)) < len(i.out):
            return False
        labels = tuple(dict.fromkeys((*i.out, *i.left_labels, *i.right_labels)))
        first = max(labels, key=lambda x: sizes[x])  # a block of its indices may be worked on
        labels = (first, *(x for x in labels if x != first))
        space = tuple(sizes[x] for x in labels)
        turned = self._is_turned(i)
        strides = dict(zip(i.out, _steps(i.shape, turned=turned), strict=True))
        places = tuple(strides.get(x, 0) for x in labels)

        def access(slot: int, own: Labels) -> Access:
            return graph.access(slot, [labels.index(x) for x in own], len(labels))

        left, right = access(i.left, i.left_labels), access(i.right, i.right_labels)
        tiles = tiling(space, left.strides, right.strides, places)
        if tiles is None or tiles.columns.size < _NARROW:
            return False
        if not tiles.packed:
            entries = prod(graph.shapes[i.left if tiles.turned else i.right])
            if tiles.rows.size < _NARROW or (for_blas and _PACKED * entries > i.volume):
                return False
            last = i.out[0 if turned else -1]
            if tiles.turned:
                left = access(*self._packed(i.left, i.left_labels, last))
            else:
                right = access(*self._packed(i.right, i.right_labels, last))
        target, factor = self._target(i, turned=turned)
        graph.works.append(Contraction(target, space, left, right, places, factor))
        return True

    def _is_turned(self, i: Pair) -> bool:
        """Is the transpose of a product written, as the matrix that it is multiplied with is one?

        Entry by entry both are read in the order of memory then.
        """
        graph, shape = self.graph, i.shape
        if len(shape) != 2 or min(shape) < 2:
            return False
        target, _ = self._scaled.get(i.target, (i.target, 1.0))
        for other, axes in self._partners.get(target, ()):
            if other in graph.layouts and other not in graph.constants:
                steps = graph.layouts[other].strides
                return tuple(steps[axis] for axis in axes) == _steps(shape, turned=True)
        return False

    def _target(self, i: Pair, *, turned: bool) -> tuple[int, float]:
        """The slot that a product, or its transpose, is written to, and the factor."""
        graph = self.graph
        target, factor = self._scaled.get(i.target, (i.target, 1.0))
        if not turned:
            graph.enter(target, i.shape, self.real)
            return target, factor
        made = graph.new(i.shape[::-1], self.real)
        graph.view(target, i.shape, Layout(made, _steps(i.shape, turned=True)), self.real)
        return made, factor

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
        x, turn_x, y, turn_y = factors(i)
        if self._is_turned(i):  # (x y)ᵀ = yᵀ xᵀ
            x, turn_x, y, turn_y = y, not turn_y, x, not turn_x
        target, factor = self._target(i, turned=self._is_turned(i))
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


def _steps(shape: Shape, *, turned: bool) -> Strides:
    """Strides of a matrix in a row, or of one whose transpose is."""
    return row_major(shape[::-1])[::-1] if turned else row_major(shape)
