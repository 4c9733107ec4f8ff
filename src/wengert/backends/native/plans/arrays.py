"""What operations on trailing axes and on whole arrays are given when they write themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from wengert.backends.native.plans.routines import Routine
from wengert.backends.native.plans.statements import Access, Layout, Shape, itself, row_major
from wengert.backends.native.types import F32, F64, I8, I32, I64
from wengert.backends.native.ufuncs import converted

if TYPE_CHECKING:
    from wengert.backends.native.plans.lowering import Lowering


class Arrays:
    """What operations are written with (:class:`wengert.operations.written.Arrays`).

    Values are slots. A routine that was run on the same arrays is not run again: a factorisation
    is shared by all that needs it.
    """

    def __init__(self, lowering: Lowering) -> None:
        self._lowering = lowering

    def shape(self, x: int) -> Shape:
        """The shape of an array."""
        return self._lowering.graph.shapes[x]

    def run(
        self,
        write: Callable[..., None],
        results: Sequence[tuple[Shape, str] | int],
        *operands: int,
        **params: Any,
    ) -> tuple[int, ...]:
        """The results of a routine, and the memory that it works in.

        The first result may be an array: the routine begins with a copy of it.
        """
        low = self._lowering
        graph = low.graph
        shapes = tuple(graph.shapes[o] for o in operands)
        given = tuple(graph.layouts[o] for o in operands)
        begun = results[0] if isinstance(results[0], int) else None
        if begun is not None:
            given, shapes = (*given, graph.layouts[begun]), (*shapes, graph.shapes[begun])
        made = tuple(r for r in results if not isinstance(r, int))
        key = write, given, shapes, made, tuple(params.items())
        if key in low.runs:
            return low.runs[key]
        layouts = [graph.layouts[low.in_a_row(o)] for o in operands]
        types = {"real": low.real, "double": F64, "int": I64, "int32": I32, "bool": I8}
        into = None if begun is None else graph.copy(begun)
        targets = tuple(
            graph.new(graph.shapes[r], graph.types[r])
            if isinstance(r, int)
            else graph.new(r[0], types[r[1]])
            for r in results
        )
        reads = tuple(Access(at.slot, at.strides, at.offset) for at in layouts)
        body = partial(write, **params) if params else write
        own = tuple(graph.shapes[o] for o in operands)
        graph.works.append(Routine(targets, reads, own, body, into))
        low.runs[key] = targets
        return targets

    def swapped(self, x: int) -> int:
        """The same entries with the two last axes swapped."""
        graph = self._lowering.graph
        shape, at = graph.shapes[x], graph.layouts[x]
        found = graph.new((*shape[:-2], shape[-1], shape[-2]), graph.types[x])
        strides = (*at.strides[:-2], at.strides[-1], at.strides[-2])
        graph.view(found, graph.shapes[found], Layout(at.slot, strides, at.offset), graph.types[x])
        return found

    def core(self, x: int) -> tuple[int, bool]:
        """A matrix as it lies in memory, and whether it is its transpose that is meant."""
        graph = self._lowering.graph
        shape, at = graph.shapes[x], graph.layouts[x]
        turned = len(shape) == 2 and min(shape) > 1 and at.strides == row_major(shape[::-1])[::-1]
        return (self.swapped(x), True) if turned else (x, False)

    def double(self, x: int) -> int:
        """An array of real numbers in double precision."""
        low = self._lowering
        return x if low.graph.types[x] is F64 else low.mapped(_in_double, x, kind="double")

    def real(self, x: int) -> int:
        """An array in double precision as one of real numbers."""
        low = self._lowering
        return x if low.graph.types[x] is low.real else low.mapped(_in_single, x)

    def map(self, write: Callable[..., Any], *values: int, last: bool = False) -> int:
        """``write(lanes, *entries)`` entry by entry.

        Arrays with fewer axes have the first ones, or the ``last``.
        """
        return self._lowering.mapped(write, *values, last=last)

    def table(self, values: Any) -> int:
        """An array that is known."""
        low = self._lowering
        kind = {"b": "bool", "i": "int"}.get(values.dtype.kind, "real")
        slot = low.graph.new(values.shape, low.type_of(kind))
        low.know(slot, values, kind)
        return slot

    def arranged(self, x: int, axes: Sequence[int | None], sizes: Sequence[int]) -> int:
        """The same entries with other axes: each one of x's, or a new one of a size."""
        graph = self._lowering.graph
        shape, at, type_ = graph.shapes[x], graph.layouts[x], graph.types[x]
        found = tuple(n if a is None else shape[a] for a, n in zip(axes, sizes, strict=True))
        strides = tuple(0 if a is None else at.strides[a] for a in axes)
        slot = graph.new(found, type_)
        graph.view(slot, found, Layout(at.slot, strides, at.offset), type_)
        return slot


class Rows:
    """What operations on trailing axes are written with; values are slots."""

    def __init__(self, lowering: Lowering, rank: int) -> None:
        self._lowering = lowering
        self._rank = rank

    def map(self, write: Callable[..., Any], *values: int, kind: str = "real") -> int:
        """``write(lanes, *entries)`` entry by entry; what has one entry a row is spread."""
        return self._lowering.mapped(write, *values, kind=kind)

    def reduce(self, name: str, value: int) -> int:
        """Entries of the value's type."""
        low = self._lowering
        graph = low.graph
        key = name, self._rank, value
        if key in low.memo:
            return low.memo[key]
        shape = graph.shapes[value]
        lead = len(shape) - self._rank
        low.memo[key] = target = graph.new(shape[:lead], graph.types[value])
        labels = tuple(range(len(shape)))
        reads, write = low.accesses([value], [labels], len(shape), itself)
        low.reduce(target, shape, reads, write, labels, labels[:lead], name)
        return target


def _in_double(lanes: Any, x: Any) -> Any:
    return converted(x, F64.of(x.type.lanes))


def _in_single(lanes: Any, x: Any) -> Any:
    return converted(x, F32.of(x.type.lanes))
