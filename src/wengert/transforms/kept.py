"""Compiled functions that are on disk, found by what they are (:mod:`wengert.transforms.identity`).

What is kept is native code, and how arguments, arrays that the function captures, and results go
with it. Arrays that it captures stay the caller's: they are found again by their number among the
arrays that the function reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.backends import engine_named, kept_functions, threads_named
from wengert.transforms.direct import Direct, Entry
from wengert.transforms.identity import Identity, identity
from wengert.transforms.surroundings import Surroundings, owner
from wengert.transforms.trees import read, written

_KINDS = "biuf"  # of the dtypes of arguments


@dataclass(frozen=True)
class Native:
    """A native function, as :class:`wengert.structured.Running` has it."""

    function: Direct
    names: tuple[str, ...]
    dtypes: tuple[Any, ...]


@dataclass(frozen=True)
class Found:
    """What was on disk.

    Attributes
    ----------
    running : Native
        The program.
    names : tuple of str
        The arguments.
    captured : tuple of (str, numpy.ndarray)
        Other arrays that the program takes.
    output : optree.PyTreeSpec
        The tree of the results.
    """

    running: Native
    names: tuple[str, ...]
    captured: tuple[tuple[str, Any], ...]
    output: Any


@dataclass(frozen=True)
class Known:
    """A function at certain arguments, before it is traced.

    Attributes
    ----------
    key : str
        Under which it is kept.
    identity : Identity
        What it is.
    """

    key: str
    identity: Identity

    def find(self) -> Found | None:
        """What is kept of it."""
        kept = kept_functions().read(self.key)
        if kept is None:
            return None
        facts = kept.facts
        arrays = (*self.identity.arrays, *kept.arrays)
        dtypes = tuple(np.dtype(d) for d in facts["dtypes"])
        captured = tuple(
            (name, arrays[k].T if turned else arrays[k]) for name, k, turned in facts["captured"]
        )
        running = Native(kept.function, tuple(facts["takes"]), dtypes)
        return Found(running, tuple(facts["names"]), captured, read(facts["output"]))

    def keep(self, entry: Entry) -> None:
        """Keep what was compiled, if all of it is native, and was only computed from what is known.

        What tracing the function has changed (a list that it adds to) is not part of the code.
        """
        function = entry.running.function
        places = _places(entry.captured, self.identity.arrays, entry.surroundings)
        if function is None or places is None or entry.running.dtypes != entry.dtypes:
            return
        try:
            output = written(entry.output)
        except ValueError:
            return
        captured, contents = places
        facts = {
            "takes": entry.running.names,
            "names": entry.names,
            "dtypes": [d.str for d in entry.dtypes],
            "captured": captured,
            "output": output,
        }
        kept_functions().write(self.key, function, facts, contents)


def known(
    values: Sequence[Any],
    flat: Sequence[Any],
    structure: Any,
    places: Sequence[int],
    engine: str | None,
    threads: int | None,
) -> Known | None:
    """What a function is at certain arguments; None if it cannot be kept.

    Parameters
    ----------
    values : sequence
        The function, and its static arguments.
    flat, structure
        The other arguments.
    places : sequence of int
        Where the static arguments are.
    """
    if engine_named(engine) != "native" or (keeper := kept_functions()) is None:
        return None
    shapes = [_shape(a) for a in flat]
    if None in shapes or not keeper.on:
        return None
    try:
        tree = json.dumps(written(structure))
    except ValueError:
        return None
    found = identity(*values)
    if found is None or found.warned:
        return None
    at = f"{list(places)} {threads_named(threads)}"
    return Known(keeper.key(found.digest, tree, " ".join(map(str, shapes)), at), found)


def _shape(argument: Any) -> str | None:
    if type(argument) is float:
        return "float"
    if type(argument) is not np.ndarray or argument.dtype.kind not in _KINDS:
        return None
    return f"{argument.dtype.str}{argument.shape}"


def _places(
    captured: Sequence[tuple[str, Any]], arrays: Sequence[Any], surroundings: Surroundings
) -> tuple[list[tuple[str, int, bool]], list[Any]] | None:
    """Which arrays a program captures: those that its function reads, or further ones.

    Further ones were computed while the function was traced. One that only looks at the memory of
    an array that is read in another way is neither: then there is no answer.
    """
    numbers: Mapping[int, int] = {id(a): k for k, a in enumerate(arrays)}
    owners = {owner(a) for a in surroundings.arrays}
    found: list[tuple[str, int, bool]] = []
    contents: list[Any] = []
    for name, array in captured:
        if id(array) in numbers:
            found.append((name, numbers[id(array)], False))
        elif id(array.base) in numbers and _is_turned(array):
            found.append((name, numbers[id(array.base)], True))
        elif owner(array) in owners or _of_others(array):
            return None
        else:
            found.append((name, len(arrays) + len(contents), False))
            contents.append(np.array(array, order="C"))
    return found, contents


def _is_turned(array: Any) -> bool:
    turned = array.base.T
    return (array.__array_interface__["data"], array.shape, array.strides, array.dtype) == (
        (turned.__array_interface__["data"], turned.shape, turned.strides, turned.dtype)
    )


def _of_others(array: Any) -> bool:
    """Does it look at memory that is no array's, or hold objects?"""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array.base is not None or array.dtype.hasobject
