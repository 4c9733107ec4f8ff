"""The pieces of random expressions make up the expressions, whatever they are put together from."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawing import examples
from operations.support import assert_close, evaluate
from wengert.expr import Expr
from wengert.operations import add, contract, elementwise, reshape, take, variable
from wengert.operations.discrete import int_array
from wengert.operations.indexing import embed, slice_
from wengert.operations.joining import concatenate
from wengert.rewrite import pieces as pieces_module
from wengert.rewrite.pieces import has_tables, pieces_of
from wengert.structured import StructuredArray
from wengert.structured.layout import layout_of, name_of

SIZES = (1, 2, 3)


class Builder:
    """Draws expressions; every array has at most four axes and few entries."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.values: dict[str, Any] = {}
        self.rng = np.random.default_rng(draw(st.integers(0, 999)))

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def leaf(self) -> Expr:
        shape = tuple(self.draw(st.lists(st.sampled_from(SIZES), min_size=0, max_size=3)))
        if self.values and self.pick(True, False):
            name = self.pick(*self.values)
            return variable(name, self.values[name].shape)
        name = f"x{len(self.values)}"
        self.values[name] = self.rng.standard_normal(shape)
        return variable(name, shape)

    def contraction(self, operands: list[Expr]) -> Expr:
        """Labels at random: sums, diagonals, deltas, copies, sizes alone."""
        sizes: dict[int, int] = {}
        labels: list[tuple[int, ...]] = []
        for operand in operands:
            own: list[int] = []
            for size in operand.shape:
                same = [x for x, n in sizes.items() if n == size]
                x = self.pick(*same, len(sizes)) if same else len(sizes)
                sizes[x] = int(size)  # type: ignore[arg-type]
                own.append(x)
            labels.append(tuple(own))
        if self.pick(True, False):
            sizes[len(sizes)] = self.pick(*SIZES)
        every = list(sizes)
        count = self.draw(st.integers(0, 4)) if every else 0
        out = tuple(self.pick(*every) for _ in range(count))
        used = {x for own in labels for x in own} | set(out)
        coefficient = Fraction(self.pick(1, -2, 3), self.pick(1, 2))
        return contract(
            operands, labels, out, sizes={x: n for x, n in sizes.items() if x in used},
            coefficient=coefficient,
        )  # fmt: skip

    def moved(self, x: Expr) -> Expr:
        """One of the operations that move entries to known places."""
        if not x.ndim:
            return reshape(x, self.pick((1,), (1, 1), ()))
        shape = tuple(int(n) for n in x.shape)  # type: ignore[arg-type]
        n, total = shape[-1], int(np.prod(shape))
        match self.pick("take", "slice", "embed", "reshape", "join", "integer"):
            case "take":
                i = self.rng.integers(-n, n, self.draw(st.integers(0, 3))) if n else []
                return take(x, [int_array(np.array(i, np.int64))], 1)
            case "slice":
                a, b = sorted(self.rng.integers(0, n + 1, 2))
                return slice_(x, [slice(int(a), int(b), self.pick(1, 2))])
            case "embed":
                return embed(x, [slice(1, n + 1)], (n + 2,))
            case "integer":
                return slice_(x, [int(self.rng.integers(-n, n))]) if n else x
            case "join":
                return concatenate([x, x], -1)
            case _:
                options = [(total,), (total, 1), (1, total), shape[::-1]]
                options += [(2, total // 2)] if total % 2 == 0 else []
                return reshape(x, self.pick(*options))

    def expression(self, depth: int) -> Expr:
        if depth == 0:
            return self.leaf()
        match self.pick("product", "product", "sum", "moved", "function"):
            case "product":
                count = self.draw(st.integers(0, 3))
                return self.contraction([self.expression(depth - 1) for _ in range(count)])
            case "sum":
                first = self.expression(depth - 1)
                labels = tuple(range(first.ndim))
                sizes = dict(enumerate(first.shape))
                others = [contract([], [], labels, sizes=sizes), elementwise("sin", first)]
                if first.ndim > 1 and len(set(first.shape)) == 1:
                    others.append(contract([], [], (0,) * first.ndim, sizes={0: first.shape[0]}))
                chosen = [first, self.pick(*others), self.pick(*others)]
                return add(chosen, [Fraction(self.pick(1, -1, 2)) for _ in chosen])
            case "moved":
                return self.moved(self.expression(depth - 1))
            case _:
                return elementwise(self.pick("sin", "cos"), self.expression(depth - 1))


@st.composite
def expressions(draw: Any) -> tuple[Expr, dict[str, Any]]:
    builder = Builder(draw)
    root = builder.expression(draw(st.integers(1, 4)))
    return root, builder.values


def written_out(root: Expr, values: dict[str, Any], columns: int = 0) -> Any:
    """The expression by its structured array."""
    layout, cores = layout_of(root, columns)
    stored = [np.asarray(evaluate(core, values)) for core in cores]
    return StructuredArray(layout, stored, np.float64)


@examples(400)
@given(expressions())
def test_the_pieces_make_up_the_expression(drawn: tuple[Expr, dict[str, Any]]) -> None:
    root, values = drawn
    if np.prod([int(n) for n in root.shape]) > 5000:  # type: ignore[arg-type]
        return
    expected = evaluate(root, values)
    found = written_out(root, values)
    assert_close(found.to_dense(), expected, 1e-9, str(pieces_of(root)))
    if root.ndim:
        turned = found.contract(tuple(range(root.ndim)), [], tuple(range(root.ndim))[::-1])
        assert_close(turned.to_dense(), np.transpose(expected), 1e-9)
    axes = tuple(range(root.ndim))
    assert_close(found.contract(axes, [(found, axes)], ()).to_dense(), np.sum(expected**2), 1e-8)


@examples(100)
@given(expressions(), st.sampled_from(["_PIECE_CAP", "_PRODUCT_CAP", "_TABLE_CAP"]))
def test_too_many_pieces_are_one_dense_factor(drawn: tuple[Expr, dict[str, Any]], cap: str) -> None:
    """Beyond the caps structure is lost, and nothing else."""
    root, values = drawn
    if np.prod([int(n) for n in root.shape]) > 5000:  # type: ignore[arg-type]
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces_module, cap, 2)
        layout_of.cache_clear()
        found = written_out(root, values)
    layout_of.cache_clear()
    assert_close(found.to_dense(), evaluate(root, values), 1e-9)


def test_a_sum_over_copies_counts_them() -> None:
    """Σⱼ (1 − xᵢⱼ) is n − Σⱼ xᵢⱼ, also where the product with a delta is opened."""
    x = variable("x", (2, 5))
    ones = contract([], [], (0, 1), sizes={0: 2, 1: 5})
    root = contract([add([ones, x], [Fraction(1), Fraction(-1)])], [(0, 1)], (0, 0))
    value = np.arange(10.0).reshape(2, 5)
    assert_close(written_out(root, {"x": value}).to_dense(), np.diag(5 - value.sum(axis=1)))


def test_tables_are_seen() -> None:
    x = variable("x", (4,))
    assert has_tables(pieces_of(embed(x, [slice(1, 5)], (6,))))
    assert not has_tables(pieces_of(contract([x], [(0,)], (0, 0))))


def test_names_of_stored_arrays_are_no_formula() -> None:
    assert not name_of(0, 0).isidentifier()
