"""Arrays one behind the other: concatenation and stacking.

A part that is a row has no axis of the whole's own along which it is joined; scalars are stacked
as rows. Parts in order of one array become that array again.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.expr import Expr, Params
from wengert.operations.apply import apply
from wengert.operations.curving import together
from wengert.operations.enclosing import joined
from wengert.operations.indexing import EMBED, SLICE, route_of_embedding
from wengert.operations.places import Spec, Specs, kept_axes, padded, places_of, spec_for
from wengert.operations.structure import FEW_PARTS, constant_like, constant_value, is_zero, zeros
from wengert.operations.trailing import rearrange
from wengert.primitive import Multilinear, Notation, Primitive, Sample, register
from wengert.shapes import Shape, format_shape

# ---------------------------------------------------------------- builders


def concatenate(parts: Sequence[Expr], axis: int = 0) -> Expr:
    """The parts one behind the other along an axis."""
    if not parts:
        raise ShapeError("there is nothing to concatenate; give at least one array")
    ndim = parts[0].ndim
    if ndim == 0:
        raise ShapeError("scalars cannot be concatenated; stack them")
    return apply(
        CONCATENATE, *parts, axis=_from_end(axis, ndim, parts[0]), rows=(False,) * len(parts)
    )


def stack(parts: Sequence[Expr], axis: int = 0) -> Expr:
    """Arrays of one shape along a new axis."""
    if not parts:
        raise ShapeError("there is nothing to stack; give at least one array")
    ndim = parts[0].ndim + 1
    return apply(
        CONCATENATE, *parts, axis=_from_end(axis, ndim, parts[0]), rows=(True,) * len(parts)
    )


def _from_end(axis: int, ndim: int, like: Expr) -> int:
    if not -ndim <= axis < ndim:
        raise ShapeError(
            f"there is no axis {axis} to join arrays of shape {format_shape(like.shape)} along; "
            f"the axes are 0 to {ndim - 1}"
        )
    return axis % ndim - ndim


# ---------------------------------------------------------------- parts and places


def _slice_of_parts(x: Expr, specs: Specs) -> Expr | None:
    """Only the parts that the slice meets."""
    axis: int = x.params[0]
    rows: tuple[bool, ...] = x.params[1]
    spec = padded(specs, x.ndim)[axis]
    if spec is None or not len(places_of(spec)):
        return None
    places = places_of(spec)
    low, high = min(places), max(places)
    starts = _starts_of(x)
    met = range(bisect_right(starts, low) - 1, bisect_right(starts, high))
    if len(met) == len(rows):
        return None
    first = starts[met[0]]
    if len(met) == 1 and rows[met[0]] and isinstance(spec, int):
        full = padded(specs, x.ndim)
        others = tuple(s for k, s in enumerate(full) if k != x.ndim + axis)
        return apply(SLICE, x.operands[met[0]], slices=others)
    fewer = apply(
        CONCATENATE, *(x.operands[k] for k in met), axis=axis, rows=tuple(rows[k] for k in met)
    )
    moved = list(padded(specs, x.ndim))
    moved[axis] = spec - first if isinstance(spec, int) else _shifted(places, first)
    return apply(SLICE, fewer, slices=tuple(moved))


def _shifted(places: range, by: int) -> tuple[int, int, int]:
    return spec_for(range(places.start - by, places.stop - by, places.step))


def _starts(parts: Sequence[Expr], axis: int, rows: Sequence[bool]) -> list[int]:
    """Where each part begins on the common axis, and where the last one ends."""
    starts = [0]
    for part, row in zip(parts, rows, strict=True):
        size = 1 if row else part.shape[axis]
        if not isinstance(size, int):
            raise ShapeError(f"an axis of size {size} cannot be joined to others; fix {size}")
        starts.append(starts[-1] + size)
    return starts


def _starts_of(node: Expr) -> list[int]:
    """Where the parts of a whole begin, computed once."""
    known = node.facts.get("starts")
    if known is None:
        known = node.facts["starts"] = _starts(node.operands, *node.params)
    return known


def _frame(part: Expr, axis: int, row: bool) -> Shape:
    """The part's shape without the common axis."""
    return part.shape if row else (*part.shape[:axis], *part.shape[part.ndim + axis + 1 :])


def _shape_of_parts(operands: tuple[Expr, ...], params: Params) -> Shape:
    axis, rows = params
    first = _frame(operands[0], axis, rows[0])
    for part, row in zip(operands, rows, strict=True):
        if not row and part.ndim < -axis:
            raise ShapeError(f"an array of shape {format_shape(part.shape)} has no axis {axis}")
        if _frame(part, axis, row) != first:
            raise ShapeError(
                f"cannot join arrays of shapes {format_shape(operands[0].shape)} and "
                f"{format_shape(part.shape)}: all axes but one must be the same"
            )
        if part.dtype != operands[0].dtype:
            raise ShapeError(f"cannot join {operands[0].dtype} and {part.dtype} arrays")
    cut = len(first) + 1 + axis
    return (*first[:cut], _starts(operands, axis, rows)[-1], *first[cut:])


def _concatenate(node: Expr, *parts: Any) -> Any:
    axis, rows = node.params
    if all(rows):
        if not np.ndim(parts[0]):
            return np.array(parts)
        return np.stack(parts, axis=axis)
    whole = [np.expand_dims(p, axis) if row else p for p, row in zip(parts, rows, strict=True)]
    return np.concatenate(whole, axis=axis)


def _place(node: Expr, k: int) -> Specs:
    """Where part k stands in the whole."""
    axis, rows = node.params
    starts = _starts_of(node)
    spec: Spec = starts[k] if rows[k] else spec_for(range(starts[k], starts[k + 1]))
    return (spec, *(None,) * (-axis - 1))


def _rewrite_parts(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    axis, rows = params
    pairs = list(zip(operands, rows, strict=True))
    merged = _merged(_flattened(pairs, axis), axis)
    if len(merged) == 1:
        part, row = merged[0]
        return _as_row(part, axis) if row else part
    if merged != pairs:
        return apply(
            CONCATENATE, *(p for p, _ in merged), axis=axis, rows=tuple(r for _, r in merged)
        )
    filled = [k for k, (p, _) in enumerate(pairs) if not is_zero(p)]
    if len(filled) == 1:
        (k,) = filled
        shape = _shape_of_parts(operands, params)
        starts = _starts(operands, axis, rows)
        spec: Spec = starts[k] if rows[k] else spec_for(range(starts[k], starts[k + 1]))
        more = (None,) * (-axis - 1)
        return apply(EMBED, operands[k], slices=(spec, *more), sizes=shape[axis:])
    return None


Part = tuple[Expr, bool]


def _flattened(pairs: list[Part], axis: int) -> list[Part]:
    """Parts of parts, without empty ones (but for one, if there is nothing else)."""
    found: list[Part] = []
    for part, row in pairs:
        if not row and part.primitive is CONCATENATE and part.params[0] == axis:
            found += zip(part.operands, part.params[1], strict=True)
        else:
            found.append((part, row))
    filled = [(part, row) for part, row in found if row or part.shape[axis] != 0]
    return filled or found[:1]


def _merged(pairs: list[Part], axis: int) -> list[Part]:
    """Neighbours that are neighbours in one array, or one constant, become one part."""
    found: list[Part] = []
    run: tuple[Expr, tuple[Specs, Specs], range] | None = None  # what the last part is a slice of
    for part, row in pairs:
        section = _section(part, row, axis)
        if run is not None and section is not None and run[:2] == section[:2]:
            joined = _joined(run[2], section[2])
            if joined is not None:
                run = (*run[:2], joined)
                found[-1] = (_sliced(run, axis), False)
                continue
        if found and (same := _same_constant(found[-1], (part, row), axis)) is not None:
            found[-1] = same
            run = None
            continue
        run = section
        found.append((part, row))
    return found


def _section(part: Expr, row: bool, axis: int) -> tuple[Expr, tuple[Specs, Specs], range] | None:
    """The array that a part is a slice of, its other slices, and its places on the common axis."""
    if part.primitive is not SLICE:
        return None
    base = part.operands[0]
    specs = padded(part.params[0], base.ndim)
    kept = kept_axes(specs)
    after = kept[len(kept) + axis + 1 :] if axis < -1 else []
    at = kept[len(kept) + axis] if not row else None
    if row:
        low = kept[len(kept) - len(after) - 1] if len(kept) > len(after) else -1
        high = after[0] if after else base.ndim
        dropped = [k for k in range(low + 1, high) if isinstance(specs[k], int)]
        if len(dropped) != 1:
            return None
        at = dropped[0]
    assert at is not None
    spec = specs[at]
    size = base.shape[at]
    if spec is None and not isinstance(size, int):
        return None
    places = range(size) if spec is None and isinstance(size, int) else places_of(spec or 0)
    return base, (specs[:at], specs[at + 1 :]), places


def _joined(one: range, other: range) -> range | None:
    """Two ranges as one, if the second goes on where the first ends."""
    if not one or not other:
        return None
    step = other[0] - one[-1]
    steps = {r.step for r in (one, other) if len(r) > 1}
    if step == 0 or (steps and steps != {step}):
        return None
    return range(one[0], other[-1] + (1 if step > 0 else -1), step)


def _sliced(run: tuple[Expr, tuple[Specs, Specs], range], axis: int) -> Expr:
    base, (before, after), places = run
    return apply(SLICE, base, slices=(*before, spec_for(places), *after))


def _same_constant(one: Part, other: Part, axis: int) -> Part | None:
    value = constant_value(one[0])
    if value is None or value != constant_value(other[0]):
        return None
    shape = _shape_of_parts((one[0], other[0]), (axis, (one[1], other[1])))
    return constant_like(value, shape), False


def _as_row(part: Expr, axis: int) -> Expr:
    """The part with a new axis of size 1."""
    labels = list(range(part.ndim))
    out = list(labels)
    out.insert(part.ndim + 1 + axis, part.ndim)
    return rearrange(part, labels, out, {part.ndim: 1})


def _notation_of_parts(node: Expr) -> Notation:
    axis, rows = node.params
    parts = ", ".join(f"{{{k}}}" for k in range(len(rows)))
    name, head = ("stack", "np.stack") if all(rows) else ("concatenate", "np.concatenate")
    whole = parts
    if any(rows) and not all(rows):
        whole = ", ".join(
            f"np.expand_dims({{{k}}}, {axis})" if row else f"{{{k}}}" for k, row in enumerate(rows)
        )
    more = f", axis={axis}" if node.ndim > 1 else ""
    return Notation(
        f"{name}({parts}{more})",
        f"[{parts}]",
        rf"\left[{parts}\right]",
        f"{head}([{whole}]{more})",
    )


def _pull_part(node: Expr, k: int, cotangent: Expr) -> Expr:
    return apply(SLICE, cotangent, slices=_place(node, k))


def _push_part(node: Expr, k: int, tangent: Expr) -> Expr:
    sizes = node.shape[node.params[0] :]
    return apply(EMBED, tangent, slices=_place(node, k), sizes=sizes)


def _push_parts(node: Expr, tangents: dict[int, Expr]) -> Expr | None:
    """The tangents of many parts are parts of one tangent; a sum of few keeps their deltas."""
    if len(tangents) <= FEW_PARTS:
        return None
    axis, rows = node.params
    extra = {t.ndim - node.operands[k].ndim for k, t in tangents.items()}
    (count,) = extra
    lead = next(iter(tangents.values())).shape[:count]
    parts = [
        tangents[k] if k in tangents else zeros((*lead, *part.shape))
        for k, part in enumerate(node.operands)
    ]
    return apply(CONCATENATE, *parts, axis=axis, rows=rows)


CONCATENATE = register(
    Primitive(
        "concatenate",
        None,
        _shape_of_parts,
        _concatenate,
        Multilinear(_push_part, _pull_part, _push_parts),
        _notation_of_parts,
        parameters=("axis", "rows"),
        rewrite=_rewrite_parts,
        samples=(
            Sample(((2,), (3,)), (-1, (False, False))),
            Sample(((), ()), (-1, (True, True))),
            Sample(((2,), ()), (-1, (False, True))),
            Sample(((1, 2), (2, 2)), (-2, (False, False))),
            Sample(((2,), (2,)), (-2, (True, True))),
            Sample(((2, 1), (2, 2)), (-1, (False, False))),
            Sample(((0,), (2,)), (-1, (False, False))),
        ),
        source="the entries of each part move",
        sliced=_slice_of_parts,
        route=lambda node, k: route_of_embedding(_place(node, k), node.shape[node.params[0] :]),
        rule="concatenation: each part's derivative in its place",
        dtype="same",
        enclosure=joined,
        curvature=together,
    )
)
