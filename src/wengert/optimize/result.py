"""What a run gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import optree

from wengert.optimize.history import History
from wengert.optimize.stop import stated

_GOOD = ("converged", "stalled")


@dataclass(frozen=True, eq=False)
class Result:
    """A minimiser, how it was found, and what it takes to find it again.

    Attributes
    ----------
    theta : pytree
        The parameters that met a goal. Otherwise the best that were recorded: those with the
        smallest loss, and of several within rounding with the smallest gradient.
    loss : float
        Their loss.
    last : pytree
        The last parameters.
    status : str
        ``"converged"`` (a goal was met), ``"stalled"`` (no further progress within rounding),
        ``"steps"`` or ``"seconds"`` (the limit came first), ``"stopped"`` (by the callback),
        ``"interrupted"`` (Ctrl-C), ``"diverged"``, ``"unbounded"`` (there is no minimum) or
        ``"failed"``.
    message : str
        The reason, and the remedy where one is needed.
    history : History
        The records.
    steps, seconds, samples : int, float, int
        In all.
    inputs : dict
        The arguments of :func:`minimize`.
    again : callable
        :func:`minimize`.
    notes : tuple of str
        What is worth knowing besides.
    """

    theta: Any
    loss: float
    last: Any
    status: str
    message: str
    history: History
    steps: int
    seconds: float
    samples: int
    inputs: dict[str, Any] = field(repr=False)
    again: Callable[..., Result] = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def success(self) -> bool:
        """Whether a goal was met, or the arithmetic allows no further progress."""
        return self.status in _GOOD

    def rerun(self, **changes: Any) -> Result:
        """Run again with the same inputs, or with some changed.

        Parameters
        ----------
        **changes
            Arguments of :func:`minimize` by name.
        """
        return self.again(**{**self.inputs, **changes})

    def to_dict(self) -> dict[str, Any]:
        """Numbers, lists and text, as JSON takes them."""
        return {
            "theta": _listed(self.theta),
            "loss": self.loss,
            "last": _listed(self.last),
            "status": self.status,
            "message": self.message,
            "notes": list(self.notes),
            "steps": self.steps,
            "seconds": self.seconds,
            "samples": self.samples,
            "history": self.history.to_dict(),
            "method": repr(self.inputs["method"]),
            "stop": stated(self.inputs["stop"]),
            "seed": self.inputs["seed"],
        }

    def __str__(self) -> str:
        h = self.history
        norm = h.gradient_norm[-1] if len(h) else float("nan")
        rows = [
            ("method", repr(self.inputs["method"])),
            ("status", f"{self.status}: {self.message}"),
            ("loss", f"{self.loss:.10g} (at the start {h.loss[0]:.10g})"),
            ("‖∇f‖", f"{norm:.3g}"),
            ("steps", f"{self.steps} in {self.seconds:.3g} s"),
            ("samples", f"{self.samples:,}"),
            *(("note", note) for note in self.notes),
        ]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def _listed(tree: Any) -> Any:
    """Arrays as lists, tuples too."""
    if isinstance(tree, dict):
        named: dict[Any, Any] = tree
        return {str(key): _listed(value) for key, value in named.items()}
    if isinstance(tree, list | tuple):
        parts: Any = tree
        return [_listed(value) for value in parts]
    if optree.tree_is_leaf(tree):
        return np.asarray(tree).tolist()
    return [_listed(leaf) for leaf in optree.tree_leaves(tree)]
