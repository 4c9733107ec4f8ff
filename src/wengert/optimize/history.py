"""What was recorded in a run, a row for each record."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

COLUMNS = ("step", "loss", "gradient_norm", "length", "seconds", "samples")


class Recorder:
    """Collects rows of a history."""

    def __init__(self, rows: list[tuple[float, ...]] | None = None) -> None:
        self.rows = rows or []

    def add(self, *row: float) -> None:
        """A row, in the order of ``COLUMNS``."""
        self.rows.append(row)

    def history(self) -> History:
        """The rows as arrays."""
        table = np.array(self.rows, float).reshape(-1, len(COLUMNS)).T
        whole = {"step", "samples"}
        return History(
            *(c.astype(int) if n in whole else c for n, c in zip(COLUMNS, table, strict=True))
        )


@dataclass(frozen=True, eq=False)
class History:
    """The records of a run as arrays of the same length.

    Attributes
    ----------
    step : ndarray
        How many steps had been taken; the first record is of θ₀.
    loss : ndarray
        f of all data.
    gradient_norm : ndarray
        ‖∇f‖ of all data; NaN where a method has none.
    length : ndarray
        The last step's factor α (the radius of a trust region).
    seconds : ndarray
        Since the start, compilation included.
    samples : ndarray
        Rows that went through the loss or one of its derivatives, for recording too.
    """

    step: Any
    loss: Any
    gradient_norm: Any
    length: Any
    seconds: Any
    samples: Any

    def __len__(self) -> int:
        return len(self.step)

    def to_dict(self) -> dict[str, list[float]]:
        """Lists by name."""
        return {name: getattr(self, name).tolist() for name in COLUMNS}

    def to_csv(self, path: str | Path) -> None:
        """Write a table with a heading."""
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(zip(*self.to_dict().values(), strict=True))

    def seconds_per_step(self) -> float:
        """The median time of a step but the first, which compiles; NaN without two records."""
        steps, seconds = np.diff(self.step), np.diff(self.seconds)
        later = (steps > 0) & (np.arange(len(steps)) > 0)
        later = later if later.any() else steps > 0
        return float(np.median(seconds[later] / steps[later])) if later.any() else float("nan")
