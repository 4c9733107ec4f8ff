"""Places on axes, as slices have them: written in one way, composed and checked.

A specification is None for a whole axis, an integer for one place of an axis that is dropped, or
``(start, stop, step)`` for a range of places, with a ``stop`` below 0 where a falling range ends
with place 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wengert.errors import IndexRangeError, ShapeError
from wengert.shapes import Shape, Size, format_shape

Spec = int | tuple[int, int, int] | None
Specs = tuple[Spec, ...]


def given_specs(slices: Sequence[slice | int | None], shape: Shape) -> Specs:
    """The specifications of slices as NumPy has them, for the trailing axes of a shape."""
    if len(slices) > len(shape):
        raise ShapeError(
            f"{len(slices)} indices for an array of rank {len(shape)} (shape {format_shape(shape)})"
        )
    tail = shape[len(shape) - len(slices) :]
    return tuple(spec_of(s, size) for s, size in zip(slices, tail, strict=True))


def spec_of(given: slice | int | None, size: Size) -> Spec:
    """The specification of one slice, index or None."""
    if given is None or given == slice(None):
        return None
    if not isinstance(size, int):
        raise ShapeError(f"an axis of size {size} cannot be sliced at fixed places; fix {size}")
    if isinstance(given, slice):
        return spec_for(range(*given.indices(size)))
    place = int(given)
    if not -size <= place < size:
        raise IndexRangeError(f"index {place} is outside an axis of {size} entries")
    return place % size


def spec_for(places: range) -> tuple[int, int, int]:
    """The one way to write a range."""
    if len(places) < 2:
        start = places.start if places else 0
        return start, start + len(places), 1
    return places.start, places.start + len(places) * places.step, places.step


def places_of(spec: int | tuple[int, int, int]) -> range:
    """The places that a specification names."""
    return range(spec, spec + 1) if isinstance(spec, int) else range(*spec)


def as_index(spec: Spec) -> Any:
    """What NumPy is indexed with."""
    if spec is None:
        return slice(None)
    if isinstance(spec, int):
        return spec
    start, stop, step = spec
    return slice(start, stop if stop >= 0 else None, step)


def of_range(places: range, spec: Spec) -> Spec:
    """What a slice of the places is among all places."""
    if spec is None:
        return spec_for(places)
    if isinstance(spec, int):
        return places[spec]
    start, stop, step = spec
    return spec_for(places[start : stop if stop >= 0 else None : step])


def padded(specs: Specs, ndim: int) -> Specs:
    """The specifications with None for the axes in front."""
    return (None,) * (ndim - len(specs)) + specs


def plain_specs(specs: Specs, sizes: Shape) -> Specs:
    """None for every range that is its whole axis, and no None in front."""
    found = [
        None if isinstance(s, tuple) and s == (0, n, 1) else s
        for s, n in zip(specs, sizes, strict=True)
    ]
    while found and found[0] is None:
        found.pop(0)
    return tuple(found)


def check_specs(specs: Specs, sizes: Shape) -> None:
    """Refuse places that an axis does not have."""
    for spec, size in zip(specs, sizes, strict=True):
        if spec is None:
            continue
        places = places_of(spec)
        if not isinstance(size, int):
            raise ShapeError(f"an axis of size {size} cannot be sliced at fixed places; fix {size}")
        if places and not (min(places) >= 0 and max(places) < size):
            raise IndexRangeError(f"places {spec} are outside an axis of {size} entries")


def length_of(spec: Spec, size: Size) -> Size:
    """How many places of an axis are named."""
    return size if spec is None else len(places_of(spec))


def kept_axes(specs: Specs) -> list[int]:
    """The axes that a slice does not drop."""
    return [k for k, s in enumerate(specs) if not isinstance(s, int)]


def code_of(specs: Specs) -> str:
    """The specifications as Python code."""

    def one(spec: Spec) -> str:
        if spec is None:
            return ":"
        if isinstance(spec, int):
            return str(spec)
        start, stop, step = spec
        return f"{start}:{stop if stop >= 0 else ''}" + (f":{step}" if step != 1 else "")

    return ", ".join(map(one, specs))
