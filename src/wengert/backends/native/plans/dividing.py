"""Which parts are cut into pieces that several threads work on.

A part that takes long is cut along an axis: rows of a block, of a nest or of a product; or what is
summed over, in which case each piece has sums of its own, and these are added in the order of the
pieces. Where the cuts are depends on the plan alone, neither on the number of threads nor on what
they happen to take: results are the same bits for any of them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import prod

from wengert.backends.native import blas
from wengert.backends.native.plans.blocking import Block, Part, groups_of, step_near
from wengert.backends.native.plans.costs import bytes_of, nanoseconds
from wengert.backends.native.plans.grouping import Nest, touched_by, written_by
from wengert.backends.native.plans.memory import in_lines
from wengert.backends.native.plans.nests import simplified
from wengert.backends.native.plans.statements import (
    Access,
    Contraction,
    Graph,
    Product,
    Statement,
)
from wengert.backends.native.types import I8

# To wake a thread takes 20 to 70 µs, to give work to one that waits under 1 µs (measured on two
# cores, benchmarks/threads.py). Who has the job works all the while, so that little is lost where
# a thread comes late.
WORTH = 1e5  # nanoseconds of a part from which on it is cut
_PIECE = 2.5e4  # nanoseconds that a piece should take
_MOST = 64  # pieces
_ADDING = 0.2  # nanoseconds for a byte of sums
_SHARE = 0.1  # of the time may go into adding them
_LARGEST = 1 << 26  # bytes of sums
_BLOCK = 1 << 17  # bytes that some rows of a nest should have
_APART = 1024  # bytes of sums in memory from which on threads do not wait for each other's lines
_FEWEST_OF_PRODUCT = 96  # rows: BLAS rearranges the other factor for each piece
_FEW = 64  # rows which are taken one by one


@dataclass(frozen=True)
class Divided(Block):
    """A block whose rows are cut into pieces.

    Attributes
    ----------
    pieces : int
        How many. Piece k has the ``k``-th share of the steps.
    totals : int
        The slot that has the sums of each piece, of ``room`` bytes.
    room : int
        Bytes of a piece's sums.
    """

    pieces: int = 1
    totals: int = -1
    room: int = 0


def divided(parts: Sequence[Part], graph: Graph, kept: Collection[int]) -> list[Part]:
    """The parts, those that take long in pieces; ``kept`` are the slots that are in memory."""
    found = [_divided(part, graph, kept) for part in parts]
    for part in found:
        if isinstance(part, Divided):
            graph.cut.update(s for g in part.groups for s in written_by(g))
            graph.seat = max(graph.seat or 0, inner_places(part, graph)[1])
    return found


def used_by(parts: Sequence[Part]) -> set[int]:
    """The slots that the code of parts names."""
    totals = {part.totals for part in parts if isinstance(part, Divided) and part.summed}
    return totals | touched_by(g for part in parts for g in groups_of(part))


def places_of(block: Divided, graph: Graph) -> dict[int, int]:
    """Where the sums of a piece are in its room."""
    return _rooms(block, graph)[0]


def inner_places(block: Block, graph: Graph) -> tuple[dict[int, int], int]:
    """Where what stays in a block is in the memory of a thread, and how large that is."""
    slots = sorted(block.inner)
    places, size = in_lines(max(_bytes(s, graph) // block.rows * block.step, 1) for s in slots)
    return dict(zip(slots, places, strict=True)), size


def _rooms(block: Block, graph: Graph) -> tuple[dict[int, int], int]:
    slots = sorted(block.summed)
    places, room = in_lines(max(_bytes(s, graph), 1) for s in slots)
    return dict(zip(slots, places, strict=True)), room


def _bytes(slot: int, graph: Graph) -> int:
    return prod(graph.shapes[slot]) * graph.types[slot].size


def _divided(part: Part, graph: Graph, kept: Collection[int]) -> Part:
    multiplies = any(isinstance(g, Product) for g in groups_of(part))
    if multiplies and not blas.can_be_told():
        return part
    cost = nanoseconds(part, graph, kept, WORTH)
    if cost is None:
        return part
    if isinstance(part, Block):
        return _cut(part, graph, cost) or part
    if isinstance(part, Product):
        candidates = _of_product(part, cost)
    elif isinstance(part, Nest):
        candidates = _of_nest(part, graph, kept)
    elif isinstance(part, Contraction):
        candidates = _of_contraction(part, graph, cost)
    else:
        return part
    found = (_cut(block, graph, cost) for block in candidates)
    return next((block for block in found if block is not None), part)


def _cut(block: Block, graph: Graph, cost: float) -> Divided | None:
    """The block in pieces; None if there would be one only."""
    room = _rooms(block, graph)[1]
    steps = -(-block.rows // block.step)
    pieces = min(int(cost / _PIECE), _MOST)
    if steps < 2 * pieces:  # as even as can be
        pieces = min(steps, _MOST)
    if room:
        pieces = min(pieces, int(_SHARE * cost / (_ADDING * room)), _LARGEST // room)
    if pieces < 2:
        return None
    totals = graph.new((pieces * room,), I8) if room else -1
    return Divided(
        block.rows, block.step, block.groups, block.summed, block.inner, pieces, totals, room
    )


def _of_product(product: Product, cost: float) -> list[Block]:
    """By what is summed over, if that is long, or by the rows of the result."""
    pieces = min(int(cost / _PIECE), _MOST)
    first, second = product.turned
    least = _FEW // 4 if product.vector else _FEWEST_OF_PRODUCT
    found: list[Block] = []
    sums = frozenset({product.target})
    if first and not second and product.summed > 4 * max(product.rows, product.columns):
        step = _even(product.summed, pieces, least)
        found.append(Block(product.summed, step, (product,), sums, frozenset()))
    if product.rows >= _FEW:
        step = _even(product.rows, pieces, least)
        found.append(Block(product.rows, step, (product,), frozenset(), frozenset()))
    return found


def _of_contraction(work: Contraction, graph: Graph, cost: float) -> list[Block]:
    """By the first axis, of the result or of what is summed over."""
    rows = work.space[0]
    if rows < 2:
        return []
    step = step_near(rows, max(int(rows * _PIECE / cost), 8))
    if not work.places[0]:
        return [Block(rows, step, (work,), frozenset({work.target}), frozenset())]
    if work.places[0] * rows != prod(graph.shapes[work.target]):
        return []
    return [Block(rows, step, (work,), frozenset(), frozenset())]


def _even(rows: int, pieces: int, least: int) -> int:
    """Rows of a piece, at least some, so that all have nearly as many."""
    wanted = max(-(-rows // pieces), min(least, rows))
    found = step_near(rows, wanted)
    return found if 4 * found <= 5 * wanted else wanted


def _of_nest(nest: Nest, graph: Graph, kept: Collection[int]) -> list[Block]:
    """By the first axis of the nest, after axes that can be are merged."""
    flat = _flat(nest)
    rows = flat.space[0]
    if rows < 2 or not prod(flat.space):
        return []
    summed: set[int] = set()
    for s in flat.statements:
        if s.into is not None:
            return []
        if not s.places[0]:
            summed.add(s.target)
        elif s.reduction is not None and s.places[0] * rows != prod(graph.shapes[s.target]):
            return []
    row = -(-max(bytes_of([flat], graph, kept), 1) // rows)
    step = 1 if rows <= _FEW else step_near(rows, max(min(_BLOCK // row, rows // _MOST), 8))
    least = max((-(-_APART // _row_of_sums(s, graph)) for s in flat.statements), default=1)
    step = min(max(step, least), rows)
    return [Block(rows, step, (flat,), frozenset(summed), frozenset())]


def _row_of_sums(s: Statement, graph: Graph) -> int:
    """Bytes of the entries that a row adds to in memory, over and over."""
    if s.reduction is None or not s.places[0]:
        return _APART
    return s.places[0] * graph.types[s.target].size


def _flat(nest: Nest) -> Nest:
    accesses = [a for s in nest.statements for a in s.reads]
    every = [a.strides for a in accesses] + [s.places for s in nest.statements]
    space, strides = simplified(nest.space, every)
    reads, places = iter(strides[: len(accesses)]), iter(strides[len(accesses) :])

    def statement(s: Statement) -> Statement:
        moved = tuple(Access(a.slot, next(reads), a.offset) for a in s.reads)
        return replace(s, space=space, reads=moved, places=next(places))

    flat = Nest(space)
    for s in nest.statements:
        flat.add(statement(s))
    return flat
