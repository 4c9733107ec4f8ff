"""Programs whose results are dense, but are computed by their structure where it is finer.

A Jacobian of slices or gathers is a few cores at known places: these are computed, and written
where they belong. No array in between is larger than the structure demands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import Any

from wengert.backends import (
    Program,
    bound,
    common_dtype,
    engine_named,
    plan_of,
    program_of,
    threads_named,
)
from wengert.expr import Expr, topological
from wengert.plan import Plan
from wengert.shapes import concrete
from wengert.structured import assembly
from wengert.structured.layout import Layout, Term, layout_of

_CACHED = 1024  # programs that are kept


@dataclass(frozen=True)
class Running:
    """What computes several expressions: a plan, and how results are written from its outputs.

    Attributes
    ----------
    plan : Plan
        Of all results and cores together, as it is run.
    program : Program
        What runs it.
    parts : tuple of (int, Layout or None)
        For each result, how many of the program's outputs are its cores; no layout means that
        the one output is the result.
    """

    plan: Plan
    program: Program
    parts: tuple[tuple[int, Layout | None], ...]
    dtype: Any

    @property
    def function(self) -> Callable[..., Any] | None:
        """The native function that gives all results, if there is such a one."""
        plain = all(layout is None for _, layout in self.parts)
        return getattr(self.program, "function", None) if plain else None

    @property
    def names(self) -> tuple[str, ...]:
        """What the native function takes, in order."""
        return getattr(self.program, "names", ())

    @property
    def dtypes(self) -> tuple[Any, ...]:
        """Of what it gives."""
        return getattr(self.program, "dtypes", ())

    def __call__(self, values: Mapping[str, Any]) -> list[Any]:
        """The results at named values, bound to the program's precision."""
        found = self.program(values)
        results: list[Any] = []
        at = 0
        for count, layout in self.parts:
            own = found[at : at + count]
            at += count
            results.append(
                own[0]
                if layout is None
                else assembly.dense(layout.shape, terms_of(layout, own), own, self.dtype)
            )
        return results


def terms_of(layout: Layout, values: Sequence[Any]) -> tuple[Term, ...]:
    """The terms of a layout, whose tables may be among the stored arrays."""
    if not layout.is_open:
        return layout.terms
    at = {leaf: k for k, leaf in enumerate(layout.leaves)}
    return tuple(Term.of(piece, at, layout.shape) for piece in layout.with_tables(values))


def running(
    roots: tuple[Expr, ...], dtype: Any, engine: str | None = None, threads: int | None = None
) -> Running:
    """The program for several expressions; the same ones are compiled once."""
    return _running(roots, dtype, engine_named(engine), threads_named(threads))


@lru_cache(maxsize=_CACHED)
def _running(roots: tuple[Expr, ...], dtype: Any, engine: str, threads: int) -> Running:
    parts: list[tuple[int, Layout | None]] = []
    stored: list[Expr] = []
    for root in roots:
        found = layout_of(root, 0) if _moves_deltas(root) else None
        if found is not None and _is_finer(found[0]):
            parts.append((len(found[1]), found[0]))
            stored += found[1]
        else:
            parts.append((1, None))
            stored.append(root)
    every = tuple(stored)
    program = program_of(every, dtype, engine, threads)
    native: frozenset[int] | None = getattr(program, "native", None)
    divided: frozenset[int] = getattr(program, "divided", frozenset())
    plan: Plan = getattr(program, "plan", None) or plan_of(every)  # loops may have been changed
    plan = replace(plan, native=native, divided=divided)
    return Running(plan, program, tuple(parts), dtype)


def run(roots: tuple[Expr, ...], values: Mapping[Expr, Any]) -> list[Any]:
    """The arrays of expressions at values of their leaves (those that they depend on, at least)."""
    named = {str(leaf.params[0]): value for leaf, value in values.items()}
    dtype = common_dtype(named.values())
    return running(roots, dtype)(bound(named, dtype))


def _moves_deltas(root: Expr) -> bool:
    """Is it an array of two axes or more, in which an operation that moves entries takes part?"""
    return (
        root.ndim > 1
        and root.dtype == "real"
        and all(isinstance(n, int) for n in root.shape)
        and any(n.primitive.route is not None and n.ndim > 1 for n in topological(root))
    )


def _is_finer(layout: Layout) -> bool:
    """Are there tables of places, and is less stored than written?"""
    tables = any(place.at is not None for piece in layout.pieces for place in piece.places)
    stored = sum(prod(concrete(leaf.shape)) for leaf in layout.leaves)
    return tables and stored < prod(layout.shape)
