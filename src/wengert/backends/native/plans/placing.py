"""Operations whose results are the entries of others at other places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from wengert.backends.native.plans.moving import (
    is_view,
    moves_of,
    moving_operands,
    strides_of_view,
    unwritten,
)
from wengert.backends.native.plans.routines import Routine
from wengert.backends.native.plans.slots import Slots
from wengert.backends.native.plans.statements import Access, Layout, Shape, itself, number
from wengert.backends.native.plans.transfers import Transfer, transfers_of, write_transfer
from wengert.backends.native.types import I64
from wengert.expr import Expr
from wengert.plan.instructions import Apply


class Placing(Slots):
    """Makes the statements of moves, gathers and scatters."""

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
