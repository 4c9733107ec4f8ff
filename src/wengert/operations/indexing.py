"""Entries at places that are known in advance: slices and their embedding.

A slice has one entry for each of the trailing axes it acts on: None keeps an axis whole, an
integer picks one place and drops the axis, ``(start, stop, step)`` is a range of places, with a
``stop`` below 0 where a falling range ends with place 0. A slice copies entries and an embedding
writes them among zeros, so each is the transpose of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from wengert.errors import ShapeError
from wengert.expr import Expr, Params
from wengert.operations.algebra import add, contract, scale
from wengert.operations.apply import apply
from wengert.operations.discrete import int_array
from wengert.operations.enclosing import moved
from wengert.operations.places import (
    Spec,
    Specs,
    as_index,
    check_specs,
    code_of,
    given_specs,
    kept_axes,
    length_of,
    of_range,
    padded,
    places_of,
    plain_specs,
    spec_for,
)
from wengert.operations.structure import (
    FEW_PARTS,
    ONE,
    contraction_params,
    is_contraction,
    is_zero,
    zeros,
)
from wengert.operations.trailing import float_out, separable, with_axes_leading
from wengert.primitive import (
    Linear,
    Notation,
    Place,
    Primitive,
    Route,
    Sample,
    register,
    registry,
)
from wengert.shapes import Shape, Size, format_shape

# ---------------------------------------------------------------- builders


def slice_(x: Expr, slices: Sequence[slice | int | None]) -> Expr:
    """The entries of x at static places, on as many trailing axes as there are slices.

    Parameters
    ----------
    x : Expr
        An array of any dtype.
    slices : sequence of slice, int or None
        As NumPy has them: an integer drops its axis, None keeps an axis whole.

    Raises
    ------
    IndexRangeError
        For an integer that the axis does not have.
    ShapeError
        For more slices than axes, or an axis whose size is only a symbol.
    """
    return apply(SLICE, x, slices=given_specs(slices, x.shape))


def embed(x: Expr, slices: Sequence[slice | int | None], shape: Shape) -> Expr:
    """Zeros of the trailing ``shape`` with x written at the places of the slices."""
    return apply(EMBED, x, slices=given_specs(slices, shape), sizes=tuple(shape))


# ---------------------------------------------------------------- how the entries move


def route_of_slice(specs: Specs, sizes: Shape) -> Route:
    """From the named places of axes of some sizes to an array of these entries only."""
    lengths: list[Size] = []
    wide: list[Place] = []
    for spec, size in zip(specs, sizes, strict=True):
        if isinstance(spec, int):
            wide.append(Place((), int_array(spec)))
            continue
        at = None if spec is None else int_array(np.array(places_of(spec), np.int64))
        wide.append(Place((len(lengths),), at))
        lengths.append(length_of(spec, size))
    kept = tuple(Place((k,)) for k in range(len(lengths)))
    return Route(tuple(lengths), kept, tuple(wide))


def _route_of_slice(node: Expr, k: int) -> Route:
    (specs,) = node.params
    return route_of_slice(specs, node.operands[0].shape[node.operands[0].ndim - len(specs) :])


def route_of_embedding(specs: Specs, sizes: Shape) -> Route:
    """From an array of the named places' entries to these places."""
    back = route_of_slice(specs, sizes)
    return Route(back.sizes, back.operand, back.result)


# ---------------------------------------------------------------- slices


def _shape_of_slice(operands: tuple[Expr, ...], params: Params) -> Shape:
    x, (specs,) = operands[0], params
    if len(specs) > x.ndim:
        raise ShapeError(f"{len(specs)} indices for an array of shape {format_shape(x.shape)}")
    cut = x.ndim - len(specs)
    tail = x.shape[cut:]
    check_specs(specs, tail)
    return (*x.shape[:cut], *(length_of(specs[k], tail[k]) for k in kept_axes(specs)))


def _rewrite_slice(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    x, (specs,) = operands[0], params
    plain = plain_specs(specs, x.shape[x.ndim - len(specs) :])
    if not plain:
        return x
    if plain != specs:
        return apply(SLICE, x, slices=plain)
    if is_zero(x):
        return zeros(_shape_of_slice(operands, params))
    if x.primitive is SLICE:
        return _slice_of_slice(x, specs)
    if x.primitive is EMBED:
        return _slice_of_embedding(x, specs)
    if x.primitive.sliced is not None:
        return x.primitive.sliced(x, specs)
    if is_contraction(x):
        found = (
            _slice_of_turned(x, specs)
            or _slice_of_ones(x, specs)
            or _slice_of_tied(x, specs)
            or _leading(x, specs)
        )
        if found is not None:
            return found
    return float_out(x, len(specs), lambda t: apply(SLICE, t, slices=specs))


def _slice_of_slice(x: Expr, specs: Specs) -> Expr:
    base = x.operands[0]
    inner = list(padded(x.params[0], base.ndim))
    kept = kept_axes(tuple(inner))
    for axis, outer in zip(kept, padded(specs, x.ndim), strict=True):
        now = inner[axis]
        inner[axis] = outer if now is None else of_range(places_of(now), outer)
    return apply(SLICE, base, slices=tuple(inner))


def _slice_of_embedding(x: Expr, specs: Specs) -> Expr | None:
    """What was written comes back; elsewhere there are zeros."""
    inner: list[Spec] = []
    nothing = False
    for written, taken in zip(padded(x.params[0], x.ndim), padded(specs, x.ndim), strict=True):
        if written is None:
            inner.append(taken)
            continue
        if taken is None:
            return None
        source, wanted = places_of(written), places_of(taken)
        ends = [p in source for p in (wanted[0], wanted[-1])] if wanted else [False]
        if all(ends) and wanted.step % source.step == 0:
            if isinstance(written, tuple):
                first, step = source.index(wanted[0]), wanted.step // source.step
                whole = spec_for(range(first, first + step * len(wanted), step))
                inner.append(first if isinstance(taken, int) else whole)
            elif isinstance(taken, tuple):
                return None  # an axis that the operand does not have
        elif not any(p in source for p in wanted):
            nothing = True
        else:
            return None
    if nothing:
        return zeros(_shape_of_slice((x,), (specs,)))
    return apply(SLICE, x.operands[0], slices=tuple(inner))


def _slice_of_turned(x: Expr, specs: Specs) -> Expr | None:
    """A slice of permuted axes is the slice of the array itself, permuted."""
    labels, out, coefficient = contraction_params(x)
    if len(labels) != 1 or sorted(labels[0]) != sorted(out) or len(set(out)) < len(out):
        return None
    full = dict(zip(out, padded(specs, x.ndim), strict=True))
    inner = apply(SLICE, x.operands[0], slices=tuple(full[a] for a in labels[0]))
    kept = [a for a in labels[0] if not isinstance(full[a], int)]
    return contract([inner], [kept], [a for a in out if a in kept], coefficient=coefficient)


def _slice_of_ones(x: Expr, specs: Specs) -> Expr | None:
    """Along an axis on which x does not depend, fewer copies."""
    labels, out, coefficient = contraction_params(x)
    used = {a for axes in labels for a in axes}
    left = list(padded(specs, x.ndim))
    axes: list[int] = []
    sizes: dict[int, Size] = {}
    for k, label in enumerate(out):
        sizes[label] = x.shape[k]
        spec = left[k]
        if spec is not None and label not in used and out.count(label) == 1:
            left[k] = None
            if isinstance(spec, int):
                del sizes[label]
                left[k] = -1  # dropped
                continue
            sizes[label] = len(places_of(spec))
        axes.append(k)
    if tuple(left) == padded(specs, x.ndim):
        return None
    kept = tuple(out[k] for k in axes)
    fewer = contract(x.operands, labels, kept, sizes=sizes, coefficient=coefficient)
    return apply(SLICE, fewer, slices=tuple(left[k] for k in axes))


def _slice_of_tied(x: Expr, specs: Specs) -> Expr | None:
    """A sliced axis that a delta ties to a leading one: diag(v)[:, s] is v[s] among zeros."""
    _, out, _ = contraction_params(x)
    full = padded(specs, x.ndim)
    for k, spec in enumerate(full):
        twins = [j for j, label in enumerate(out) if label == out[k] and j != k]
        if spec is None or len(twins) != 1 or full[twins[0]] is not None:
            continue
        ((twin,), n) = twins, x.ndim
        fewer = _restricted(x, out[k], spec)
        left = list(full)
        left[k] = left[twin] = None
        if isinstance(spec, int):
            left = [s for j, s in enumerate(left) if j not in (k, twin)]
            rest = [j for j in range(n) if j not in (k, twin)]
        else:
            rest = [j for j in range(n) if j != twin]
            order = [*rest, twin]
            fewer = contract([fewer], [range(n)], order)
            left = [left[j] for j in order]
        wide = apply(EMBED, fewer, slices=(spec,), sizes=(x.shape[twin],))
        back = [*rest, twin]
        restored = contract([wide], [back], [j for j in range(n) if j in back])
        after = [full[j] if j not in (k, twin) else None for j in range(n) if j in back]
        return apply(SLICE, restored, slices=tuple(after))
    return None


def _restricted(x: Expr, label: int, spec: int | tuple[int, int, int]) -> Expr:
    """The contraction with one of its output's indices running over fewer places."""
    labels, out, coefficient = contraction_params(x)
    operands: list[Expr] = []
    found: list[tuple[int, ...]] = []
    for operand, axes in zip(x.operands, labels, strict=True):
        chosen: Specs = tuple(spec if a == label else None for a in axes)
        operands.append(apply(SLICE, operand, slices=chosen))
        found.append(tuple(a for a in axes if a != label or not isinstance(spec, int)))
    kept = tuple(a for a in out if a != label or not isinstance(spec, int))
    sizes = {a: s for a, s in zip(out, x.shape, strict=True) if a in kept}
    if not isinstance(spec, int):
        sizes[label] = len(places_of(spec))
    return contract(operands, found, kept, sizes=sizes, coefficient=coefficient)


def _leading(x: Expr, specs: Specs) -> Expr | None:
    """Whole axes come in front where that takes a delta or a factor out."""
    cut = x.ndim - len(specs)
    passive = [cut + k for k, s in enumerate(specs) if s is None]
    acted = [cut + k for k, s in enumerate(specs) if s is not None]
    if not separable(x, acted, passive):
        return None
    kept = [cut + k for k in kept_axes(specs)]
    places = tuple(cut + kept.index(k) for k in passive)
    fewer = tuple(s for s in specs if s is not None)
    return with_axes_leading(x, passive, lambda t: apply(SLICE, t, slices=fewer), places)


def _notation_of_slice(node: Expr) -> Notation:
    specs = node.params[0]
    code = code_of(specs)
    whole = len(specs) == node.operands[0].ndim
    numpy = code if whole else f"..., {code}"
    return Notation(
        f"{{0:a}}[{code}]", f"{{0:a}}[{code}]", rf"{{0:a}}_{{{{{code}}}}}", f"{{0:a}}[{numpy}]"
    )


SLICE = register(
    Primitive(
        "slice",
        1,
        _shape_of_slice,
        lambda node, x: x[(..., *map(as_index, node.params[0]))],
        Linear(
            lambda node, dx: apply(SLICE, dx, slices=node.params[0]),
            lambda node, ct: apply(
                EMBED,
                ct,
                slices=node.params[0],
                sizes=node.operands[0].shape[node.operands[0].ndim - len(node.params[0]) :],
            ),
            lambda node: len(node.params[0]),
        ),
        _notation_of_slice,
        parameters=("slices",),
        rewrite=_rewrite_slice,
        samples=(
            Sample(((4,),), (((1, 3, 1),),)),
            Sample(((4,),), ((2,),)),
            Sample(((3,),), (((2, -1, -1),),)),
            Sample(((2, 3),), (((0, 1, 1), None),)),
            Sample(((3, 2),), ((1, (0, 2, 1)),)),
            Sample(((2, 4),), (((0, 4, 2),),)),
            Sample(((3,),), (((0, 0, 1),),)),
        ),
        source="entries are copied: a linear map of zeros and ones",
        route=_route_of_slice,
        rule="slice: the entries move, and their derivatives with them",
        dtype="same",
        enclosure=moved,
    )
)

# ---------------------------------------------------------------- embedding


def _shape_of_embedding(operands: tuple[Expr, ...], params: Params) -> Shape:
    x, (specs, sizes) = operands[0], params
    check_specs(specs, sizes)
    kept = kept_axes(specs)
    expected = tuple(length_of(specs[k], sizes[k]) for k in kept)
    cut = x.ndim - len(kept)
    if cut < 0 or x.shape[cut:] != expected:
        raise ShapeError(
            f"cannot write an array of shape {format_shape(x.shape)} to places of shape "
            f"{format_shape(expected)}"
        )
    return (*x.shape[:cut], *sizes)


def _embed(node: Expr, x: Any) -> Any:
    specs, sizes = node.params
    kept = kept_axes(specs)
    cut = x.ndim - len(kept)
    known = dict(zip(kept, x.shape[cut:], strict=True))
    tail = [known[k] if s is None else sizes[k] for k, s in enumerate(specs)]
    result = np.zeros((*x.shape[:cut], *tail), x.dtype)
    result[(..., *map(as_index, specs))] = x
    return result


def _add_embedded(node: Expr, total: Any, factor: float, x: Any) -> None:
    view = total[(..., *map(as_index, node.params[0]))]  # of no axes too: the dots make it a view
    view += x if factor == 1 else factor * x


def _rewrite_embedding(operands: tuple[Expr, ...], params: Params) -> Expr | None:
    x, (specs, sizes) = operands[0], params
    plain = plain_specs(specs, sizes)
    if not plain:
        return x
    if plain != specs:
        return apply(EMBED, x, slices=plain, sizes=sizes[len(sizes) - len(plain) :])
    if is_zero(x):
        return zeros(_shape_of_embedding(operands, params))
    if x.primitive is EMBED:
        return _embedding_of_embedding(x, specs, sizes)
    kept = kept_axes(specs)
    cut = x.ndim - len(kept)
    passive = [cut + kept.index(k) for k in kept if specs[k] is None]
    acted = [cut + kept.index(k) for k in kept if specs[k] is not None]
    if is_contraction(x) and separable(x, acted, passive) and _is_pattern(x, passive):
        fewer = tuple(s for s in specs if s is not None)
        rest = tuple(n for n, s in zip(sizes, specs, strict=True) if s is not None)
        places = tuple(cut + k for k, s in enumerate(specs) if s is None)
        return with_axes_leading(
            x, passive, lambda t: apply(EMBED, t, slices=fewer, sizes=rest), places
        )
    return float_out(
        x, len(kept), lambda t: apply(EMBED, t, slices=specs, sizes=sizes), factors=False
    )


def _is_pattern(x: Expr, axes: Sequence[int]) -> bool:
    """Does a delta or a one stand on one of the axes? Factors stay within, as 0 · ∞ is none."""
    labels, out, _ = contraction_params(x)
    used = {a for inner in labels for a in inner}
    return any(out[k] not in used for k in axes)


def _embedding_of_embedding(x: Expr, specs: Specs, sizes: Shape) -> Expr:
    inner = padded(x.params[0], x.ndim)
    wide = list(padded(specs, x.ndim + len(specs) - len(kept_axes(specs))))
    shape = [*x.shape[: len(wide) - len(sizes)], *sizes]
    axes = [k for k, s in enumerate(wide) if not isinstance(s, int)]
    for axis, spec, size in zip(axes, inner, x.shape, strict=True):
        now = wide[axis]
        if now is None:
            wide[axis], shape[axis] = spec, size
        elif spec is not None:
            wide[axis] = of_range(places_of(now), spec)
    return apply(EMBED, x.operands[0], slices=tuple(wide), sizes=tuple(shape))


# ---------------------------------------------------------------- sums of embeddings

Term = tuple[Expr, Fraction]


def _sum_of_embeddings(terms: Sequence[Term]) -> list[Expr] | None:
    """Embeddings at many places along one axis are one array of parts, with zeros between them.

    The gradient of a function that reads entry by entry, x[0], x[1], ..., is a sum of as many
    arrays of all entries otherwise.
    """
    if len(terms) <= FEW_PARTS:
        return None
    rest = [(t.operands[0], c, *t.params) for t, c in terms]
    found: list[Expr] = []
    for axis in range(1, 1 + max(len(specs) for _, _, specs, _ in rest)):
        groups: dict[tuple[Specs, Shape], dict[Spec, list[Term]]] = {}
        left: list[tuple[Expr, Fraction, Specs, Shape]] = []
        for part, coefficient, specs, sizes in rest:
            if axis > len(specs) or specs[-axis] is None:
                left.append((part, coefficient, specs, sizes))
                continue
            others = _with_spec(specs, axis, None)
            group = groups.setdefault((others, sizes), {})
            group.setdefault(specs[-axis], []).append((part, coefficient))
        for (others, sizes), group in groups.items():
            parts = {s: add([t for t, _ in ts], [c for _, c in ts]) for s, ts in group.items()}
            found += _layers(axis, others, sizes, parts)
            left += [(p, ONE, _with_spec(others, axis, s), sizes) for s, p in parts.items()]
        rest = left
    found += [scale(c, apply(EMBED, p, slices=specs, sizes=sizes)) for p, c, specs, sizes in rest]
    return found if len(found) < len(terms) else None


def _with_spec(specs: Specs, axis: int, spec: Spec) -> Specs:
    return (*specs[:-axis], spec, *specs[len(specs) - axis + 1 :])


def _layers(axis: int, others: Specs, sizes: Shape, parts: dict[Spec, Expr]) -> list[Expr]:
    """Parts at several places taken out and joined, layer by layer of such as do not overlap."""
    found: list[Expr] = []
    upwards = {s for s in parts if isinstance(s, int) or (s is not None and s[2] == 1)}
    while len(upwards) > 1:
        layer: list[tuple[Spec, Expr]] = []
        end = 0
        for spec in sorted(upwards, key=_first_and_end):
            first, stop = _first_and_end(spec)
            if first >= end:
                layer.append((spec, parts.pop(spec)))
                end = stop
        upwards -= {spec for spec, _ in layer}
        found.append(_layer(axis, others, sizes, layer))
    return found


def _first_and_end(spec: Spec) -> tuple[int, int]:
    places = places_of(spec) if spec is not None else range(0)
    return places.start, places.stop


def _layer(at: int, others: Specs, sizes: Shape, pieces: Sequence[tuple[Spec, Expr]]) -> Expr:
    """Parts that do not overlap, in order, written side by side."""
    axis = -1 - sum(not isinstance(s, int) for s in others[len(others) - at + 1 :])
    size = sizes[-at]
    assert isinstance(size, int)
    parts: list[Expr] = []
    rows: list[bool] = []
    end = 0
    for spec, part in pieces:
        first, stop = _first_and_end(spec)
        row = isinstance(spec, int)
        parts += [_gap(part, axis, row, first - end), part]
        rows += [False, row]
        end = stop
    parts.append(_gap(parts[-1], axis, rows[-1], size - end))
    rows.append(False)
    whole = apply(registry["concatenate"], *parts, axis=axis, rows=tuple(rows))
    return apply(EMBED, whole, slices=others, sizes=sizes)


def _gap(part: Expr, axis: int, row: bool, length: int) -> Expr:
    """Zeros beside a part: its shape, but for the length along the common axis."""
    before = part.ndim + axis + (1 if row else 0)
    after = before if row else before + 1
    return zeros((*part.shape[:before], length, *part.shape[after:]))


def _notation_of_embedding(node: Expr) -> Notation:
    specs, sizes = node.params
    code = code_of(specs)
    shape = ", ".join(map(str, sizes))
    name = f"embed({{0}}, [{code}], [{shape}])"
    lead = node.ndim - len(sizes)
    front = f"*t.shape[:{lead}], " if lead else ""
    places = f"..., {code}" if lead else code
    numpy = (
        f"(lambda t: (lambda z: (z.__setitem__(np.s_[{places}], t), z)[1])"
        f"(np.zeros(({front}{shape},), t.dtype)))(np.asarray({{0}}))"
    )
    latex = rf"\operatorname{{{{embed}}}}_{{{{{code}}}}}\left({{0}}\right)"
    return Notation(name, name, latex, numpy)


EMBED = register(
    Primitive(
        "embed",
        1,
        _shape_of_embedding,
        _embed,
        Linear(
            lambda node, dx: apply(EMBED, dx, slices=node.params[0], sizes=node.params[1]),
            lambda node, ct: apply(SLICE, ct, slices=node.params[0]),
            lambda node: len(kept_axes(node.params[0])),
        ),
        _notation_of_embedding,
        parameters=("slices", "sizes"),
        add_into=_add_embedded,
        rewrite=_rewrite_embedding,
        samples=(
            Sample(((2,),), (((1, 3, 1),), (4,))),
            Sample(((),), ((2,), (3,))),
            Sample(((2,),), (((2, -2, -2),), (3,))),
            Sample(((2,),), ((1, None), (2, 2))),
            Sample(((2, 2),), (((0, 2, 1), None), (3, 2))),
            Sample(((2, 0),), (((0, 0, 1),), (2,))),
        ),
        source="the transpose of a slice",
        route=lambda node, k: route_of_embedding(*node.params),
        summed=_sum_of_embeddings,
        rule="embedding: the entries move, and their derivatives with them",
        dtype="same",
        enclosure=moved,
    )
)
