"""Programs: expressions of leaves of their own, which loops and branches run.

A program has no free variables. What its body takes from outside becomes an operand of the
operation that runs it (:func:`close_over`), so that the names of its leaves mean nothing outside
and equal bodies are equal programs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, TypeVar

from wengert.errors import ShapeError
from wengert.expr import Expr, Params, make, rebuild, topological
from wengert.operations.algebra import variable
from wengert.operations.batching import batch_dependent
from wengert.operations.rebuild import with_operands
from wengert.operations.structure import contraction_params, fits, is_contraction, is_variable
from wengert.shapes import Shape, Size, SymbolicSize, format_shape, symbol, symbols_of

Roots = Sequence[Expr]
T = TypeVar("T")

_PREFIX = "·"  # no formula or traced program can have such a name
RUN_LENGTH = "·steps"
"""The symbol of an axis with one entry a step of a loop whose steps are counted as it runs."""


@dataclass(frozen=True)
class Program:
    """Expressions of leaves, closed: every variable below the roots is one of the leaves.

    Attributes
    ----------
    roots : tuple of Expr
        The results.
    leaves : tuple of Expr
        The arguments: variables named ``·0``, ``·1``, ...
    facts : dict
        Memo of pure functions of the program (its derivatives).
    """

    roots: tuple[Expr, ...]
    leaves: tuple[Expr, ...]
    facts: dict[Any, Any] = field(default_factory=dict[Any, Any], compare=False, repr=False)

    def __repr__(self) -> str:
        inside = ", ".join(f"{e.digest:x}" for e in (*self.leaves, *self.roots))
        return f"Program({len(self.leaves)}: {inside})"

    def memo(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What ``compute`` gives, kept with the program."""
        if key not in self.facts:
            self.facts[key] = compute()
        return self.facts[key]

    def __call__(self, *arguments: Expr) -> list[Expr]:
        """The roots with arguments in the leaves' places."""
        memo = dict(zip(self.leaves, arguments, strict=True))
        return [rebuild(root, with_operands, memo) for root in self.roots]

    def fresh(self, shapes: Iterable[Shape], dtypes: Iterable[str] = ()) -> list[Expr]:
        """New leaves, real by default, of names that the program does not use."""
        first = 1 + max((int(x.param("name")[1:]) for x in self.leaves), default=-1)
        kinds = chain(dtypes, repeat("real"))
        return [leaf(first + k, *like) for k, like in enumerate(zip(shapes, kinds, strict=False))]

    def batched(self, flags: tuple[bool, ...], size: Size) -> tuple[Program, tuple[bool, ...]]:
        """The program on leaves of which some have one more axis, and which roots have it then."""
        return self.memo(("batch", flags, size), lambda: _batched(self, flags, size))

    def paths(self, *, discrete: bool = False) -> tuple[frozenset[int], ...]:
        """For each root, the numbers of the leaves that it depends on.

        Without ``discrete`` only paths on which derivatives can pass count.
        """
        return self.memo(("paths", discrete), lambda: _paths(self, discrete))


def _paths(program: Program, discrete: bool) -> tuple[frozenset[int], ...]:
    found: dict[Expr, int] = {
        x: 1 << k for k, x in enumerate(program.leaves) if discrete or x.dtype == "real"
    }
    for node in topological(*program.roots):
        if node not in found:
            passes = discrete or node.dtype == "real"
            mask = 0
            for operand in node.operands if passes else ():
                mask |= found[operand]
            found[node] = mask
    count = len(program.leaves)
    return tuple(frozenset(k for k in range(count) if found[r] >> k & 1) for r in program.roots)


def _batched(
    program: Program, flags: tuple[bool, ...], size: Size
) -> tuple[Program, tuple[bool, ...]]:
    old = [x for x, b in zip(program.leaves, flags, strict=True) if b]
    fresh = program.fresh(((size, *x.shape) for x in old), [x.dtype for x in old])
    wide = dict(zip(old, fresh, strict=True))
    roots = batch_dependent(program.roots, wide)
    kept = tuple(r if new is None else new for r, new in zip(program.roots, roots, strict=True))
    leaves = tuple(wide.get(x, x) for x in program.leaves)
    return Program(kept, leaves), tuple(r is not None for r in roots)


def leaf(number: int, shape: Shape, dtype: str = "real") -> Expr:
    """The leaf of a program with that number in its name."""
    return variable(f"{_PREFIX}{number}", shape, dtype=dtype)


def run_length() -> SymbolicSize:
    """The size of an axis with one entry a step of a loop whose steps are counted as it runs."""
    return symbol(RUN_LENGTH)


def unknown_length(node: Expr) -> bool:
    """Has the node an axis whose size is known only when a loop has run?"""
    return RUN_LENGTH in symbols_of(node.shape)


# ---------------------------------------------------------------- closing


def close_over(
    roots: Roots, leaves: Roots, *, hoist: bool = True
) -> tuple[Program, tuple[Expr, ...]]:
    """The program of expressions, and what they take from outside, as further leaves.

    Parameters
    ----------
    roots, leaves : sequence of Expr
        The body's results and its own variables.
    hoist : bool
        Compute what does not depend on the body's leaves outside (for loops). Without it only
        the variables are taken from outside, so that nothing is computed that the body does not
        need (for branches).

    Returns
    -------
    program : Program
        Its leaves are the given ones and one for each expression from outside.
    operands : tuple of Expr
        The expressions from outside, ordered by their digests.
    """
    order = topological(*roots)
    own = set(leaves)
    inside: set[Expr] = set()
    varying: set[Expr] = set()
    for node in order:
        if node in own or any(o in inside for o in node.operands):
            inside.add(node)
        if is_variable(node) or any(o in varying for o in node.operands):
            varying.add(node)
    hoisted = _taken_from_outside(roots, inside, varying, hoist)
    fresh = [leaf(k, e.shape, e.dtype) for k, e in enumerate((*leaves, *hoisted))]
    memo = dict(zip((*leaves, *hoisted), fresh, strict=True))
    closed = tuple(rebuild(root, with_operands, memo) for root in roots)
    return Program(closed, tuple(fresh)), tuple(hoisted)


def _taken_from_outside(
    roots: Roots, inside: set[Expr], varying: set[Expr], hoist: bool
) -> list[Expr]:
    found: set[Expr] = set()
    seen: set[Expr] = set()
    stack = [*roots]
    while stack:
        node = stack.pop()
        if node in seen or node not in varying:
            continue
        seen.add(node)
        if node in inside or not (is_variable(node) or (hoist and not _is_layout(node))):
            stack.extend(node.operands)
        else:
            found.add(node)
    return sorted(found, key=lambda e: e.digest)


def _is_layout(node: Expr) -> bool:
    """Is the node a contraction that sums nothing: cheaper to make than to keep?"""
    if not is_contraction(node):
        return False
    labels, out, _ = contraction_params(node)
    return all(x in out for axes in labels for x in axes)


def used_leaves(roots: Roots) -> set[Expr]:
    """The variables below the roots."""
    return {n for n in topological(*roots) if is_variable(n)}


def map_programs(node: Expr, transform: Callable[[Program], Program]) -> Expr:
    """The node with the programs in its parameters transformed."""
    params = tuple(_map_in(p, transform) for p in node.params)
    if params == node.params:
        return node
    return make(node.primitive, node.operands, params, node.shape, node.dtype)


def _map_in(value: Any, transform: Callable[[Program], Program]) -> Any:
    if isinstance(value, Program):
        return transform(value)
    if isinstance(value, tuple):
        return tuple(_map_in(v, transform) for v in value)  # pyright: ignore[reportUnknownVariableType]
    return value


# ---------------------------------------------------------------- checks


def describe(e: Expr) -> str:
    """Shape and dtype as messages have them."""
    return f"{e.dtype} {format_shape(e.shape)}"


def check_same(what: str, given: Expr, expected: Expr, where: str) -> None:
    """Refuse a value of another shape or dtype.

    Raises
    ------
    ShapeError
        Naming the part and both.
    """
    if given.dtype != expected.dtype or not fits(given.shape, expected.shape):
        raise ShapeError(f"{what} is {describe(given)}, but {where} {describe(expected)}")


def check_count(what: str, given: int, expected: int) -> None:
    """Refuse another number of values."""
    if given != expected:
        raise ShapeError(f"{what}: {given} are given, {expected} are expected")


def group_of(node: Expr) -> Hashable:
    """Nodes that are results of one run: the same but for the part, the last parameter."""
    return (node.primitive, node.operands, node.params[:-1])


def params_of(node: Expr, part: int) -> Params:
    """The parameters of another result of the same run."""
    return (*node.params[:-1], part)


def length_of(sequences: Roots, length: Size | None) -> Size:
    """How many steps the sequences have.

    Raises
    ------
    ShapeError
        If they differ, or there are none and no length.
    """
    sizes = [x.shape[0] if x.ndim else None for x in sequences]
    if None in sizes:
        raise ShapeError("a loop runs over the first axis of its sequences; a scalar has none")
    known = [s for s in (length, *sizes) if s is not None]
    if not known:
        raise ShapeError("a loop without sequences needs its length")
    if any(s != known[0] for s in known if isinstance(s, int) and isinstance(known[0], int)):
        raise ShapeError(f"the sequences of a loop differ in length: {known}")
    return known[0]
