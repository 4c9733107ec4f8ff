"""Runs in files: written whole or not at all, and taken up where they were."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wengert.errors import WengertError
from wengert.optimize.methods import State

_FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """Where a run is saved, and how often.

    Attributes
    ----------
    path : str or Path
        An ``.npz`` file, of arrays and JSON.
    every : float
        Seconds between two of them; a last one is written when the run ends.
    """

    path: str | Path
    every: float = 30.0


@dataclass(frozen=True, eq=False)
class Saved:
    """What a run goes on from.

    Attributes
    ----------
    state : State
        The method's.
    best : ndarray
        The best point so far.
    rows : list of tuple
        Of the history.
    numbers : dict
        Everything else: the best loss, the criteria's own memory, samples, seconds.
    """

    state: State
    best: Any
    rows: list[tuple[float, ...]]
    numbers: dict[str, Any]


def save(path: str | Path, saved: Saved, identity: Mapping[str, Any]) -> None:
    """Write a run to a file, in one move.

    Parameters
    ----------
    path : str or Path
        The file.
    saved : Saved
        The run.
    identity : mapping
        What a run must have in common with this one to go on from it.
    """
    arrays: dict[str, Any] = {
        "x": saved.state.x,
        "gradient": saved.state.gradient,
        "best": saved.best,
        "rows": np.array(saved.rows, float),
    }
    own: dict[str, Any] = {}
    for name, value in saved.state.own.items():
        if isinstance(value, np.ndarray):
            arrays[f"own.{name}"] = value
        else:
            own[name] = value.item() if isinstance(value, np.generic) else value
    header = {
        "format": _FORMAT,
        "identity": identity,
        "state": [saved.state.value, saved.state.step, saved.state.length],
        "own": own,
        "numbers": saved.numbers,
    }
    target = Path(path)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, header=np.array(json.dumps(header)), **arrays)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(path: str | Path, identity: Mapping[str, Any]) -> Saved:
    """Read a run from a file.

    Raises
    ------
    WengertError
        If there is none, or it is of another method, seed or problem.
    """
    target = Path(path)
    if not target.is_file():
        raise WengertError(f"resume: there is no file {target}")
    try:
        with np.load(target, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(str(arrays.pop("header")))
    except (ValueError, OSError, KeyError, EOFError):
        raise WengertError(f"resume: {target} is not a checkpoint") from None
    if header["format"] != _FORMAT:
        raise WengertError(f"resume: {target} is a checkpoint of another version")
    for name, value in identity.items():
        if header["identity"].get(name) != value:
            raise WengertError(
                f"resume: {target} is of a run with {name} = {header['identity'].get(name)}, not "
                f"{value}; resume with the same inputs"
            )
    value, step, length = header["state"]
    own = dict(header["own"])
    own |= {n.removeprefix("own."): a for n, a in arrays.items() if n.startswith("own.")}
    state = State(arrays["x"], value, arrays["gradient"], step, length, own)
    rows = [tuple(row) for row in arrays["rows"].tolist()]
    return Saved(state, arrays["best"], rows, header["numbers"])
