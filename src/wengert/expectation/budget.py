"""The budget of an uncertainty: which input contributes how much of the variance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from wengert.expectation.report import Table, number

_NAN = float("nan")


@dataclass(frozen=True)
class BudgetRow:
    """One input in a budget.

    Attributes
    ----------
    name : str
        Of the input, or of its entry; of a part of the variance that is of no single input.
    estimate : float
        xᵢ.
    uncertainty : float
        u(xᵢ), its standard deviation.
    sensitivity : float
        cᵢ = ∂f/∂xᵢ.
    contribution : float
        |cᵢ| u(xᵢ).
    share : float
        Of the variance of the output, 1 for all of it.
    """

    name: str
    estimate: float
    uncertainty: float
    sensitivity: float
    contribution: float
    share: float


@dataclass(frozen=True)
class Budget:
    """The variance of one output, by inputs.

    Attributes
    ----------
    rows : tuple of BudgetRow
        The inputs, the largest share first.
    rest : tuple of BudgetRow
        Parts of the variance that belong to several inputs together.
    value : float
        The output's mean.
    uncertainty : float
        The output's standard deviation.
    shares : str
        What the shares are of, in words.
    """

    rows: tuple[BudgetRow, ...]
    rest: tuple[BudgetRow, ...]
    value: float
    uncertainty: float
    shares: str

    @property
    def table(self) -> Table:
        """The budget as a table."""
        columns = ("input", "estimate", "u", "sensitivity", "contribution", "share %")
        lines = [_cells(row) for row in (*self.rows, *self.rest)]
        total = ("output", number(self.value), number(self.uncertainty), "", "", "100")
        return Table(columns, (*lines, total), totals=1)

    def __str__(self) -> str:
        return f"{self.table}\n{self.shares}"

    def to_markdown(self) -> str:
        """A table of Markdown."""
        return self.table.to_markdown()

    def to_latex(self) -> str:
        """A tabular environment of LaTeX (with the rules of booktabs)."""
        return self.table.to_latex()

    def to_dict(self) -> dict[str, Any]:
        """Everything as numbers and text, for JSON or a data frame."""
        return asdict(self)

    def plot(self, path: str | None = None) -> Any:
        """The shares as bars.

        Parameters
        ----------
        path : str, optional
            A file to write the figure to; its ending says the format.

        Returns
        -------
        matplotlib.figure.Figure
        """
        from wengert.expectation.plots import plot_budget  # noqa: PLC0415 (an optional package)

        return plot_budget(self, path)


def _cells(row: BudgetRow) -> tuple[str, ...]:
    numbers = (row.estimate, row.uncertainty, row.sensitivity, row.contribution)
    cells = ["" if np.isnan(x) else number(x) for x in numbers]
    return (row.name, *cells, f"{100 * row.share + 0.0:.2f}")


def make_budget(
    labels: tuple[str, ...],
    mean: Any,
    covariance: Any,
    gradient: Any,
    own: Any | None,
    value: float,
    variance: float,
) -> Budget:
    """The budget of one output.

    Parameters
    ----------
    labels : tuple of str
        Of the n entries of the inputs.
    mean, covariance, gradient : ndarray
        Of shapes ``(n,)``, ``(n, n)``, ``(n,)``.
    own : ndarray of shape (n,), or None
        The variances of the parts of the output that depend on one entry alone, for independent
        entries to second order; None to share out the linear part.
    value, variance : float
        Of the output.
    """
    std = np.sqrt(np.diag(covariance))
    linear = gradient * (covariance @ gradient)
    parts = linear if own is None else own
    shares = parts / variance if variance > 0 else np.zeros_like(parts)
    rows = [
        BudgetRow(label, float(x), float(u), float(c), float(abs(c) * u), float(s))
        for label, x, u, c, s in zip(labels, mean, std, gradient, shares, strict=True)
        if u > 0
    ]
    rows.sort(key=lambda row: -abs(row.share))
    left = variance - float(np.sum(parts))
    rest: list[BudgetRow] = []
    if abs(left) > 1e-12 * variance or not np.isfinite(left):
        name = "second-order terms" if own is None else "interactions"
        rest.append(BudgetRow(name, _NAN, _NAN, _NAN, _NAN, left / variance))
    correlated = bool(np.any(covariance != np.diag(np.diag(covariance))))
    return Budget(tuple(rows), tuple(rest), value, float(np.sqrt(variance)),
                  _in_words(own is not None, correlated))  # fmt: skip


def _in_words(second: bool, correlated: bool) -> str:
    if second:
        return (
            "shares: the variance of the terms in one input alone, with its curvature; "
            "interactions: of products of inputs"
        )
    if correlated:
        return "shares: cᵢ Σⱼ cⱼ u(xᵢ, xⱼ) of the variance; correlations can make one negative"
    return "shares: (cᵢ u(xᵢ))² of the variance"
