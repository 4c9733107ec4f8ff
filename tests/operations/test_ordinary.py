"""Contractions of ordinary factors are what the general way gives, node for node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given

import wengert as wg
from corpus.case import Case
from corpus.formulas import CASES
from drawing import examples
from operations.networks import Network, networks, operands
from wengert.expr import Expr
from wengert.operations import algebra
from wengert.operations.ordinary import ordinary
from wengert.shapes import Size


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Every contraction is built in both ways; the list says which were ordinary."""
    met: list[bool] = []
    general = algebra.contract

    def both(
        operands: Sequence[Expr],
        labels: Sequence[Sequence[int]],
        out: Sequence[int],
        sizes: Mapping[int, Size],
        coefficient: Fraction | int,
        is_upright: Callable[[Expr], bool],
    ) -> Expr | None:
        found = ordinary(operands, labels, out, sizes, coefficient, is_upright)
        met.append(found is not None)
        if found is not None:
            monkeypatch.setattr(algebra, "ordinary", lambda *_: None)
            slow = general(operands, labels, out, sizes=sizes, coefficient=coefficient)
            monkeypatch.setattr(algebra, "ordinary", both)
            assert found is slow, (found, slow)
        return found

    monkeypatch.setattr(algebra, "ordinary", both)
    return met


@given(networks(operands()[1]))
@examples(
    500,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # what it keeps is only a count
)
def test_networks(compared: list[bool], network: Network) -> None:
    network.build()


@pytest.mark.parametrize("case", CASES[::5], ids=lambda case: case.id)
def test_formulas(case: Case, compared: list[bool]) -> None:
    f = wg.formula(case.text, case.shapes, case.assume)
    f.derivative(case.wrt[0], order=2)


def test_programs(compared: list[bool]) -> None:
    rng = np.random.default_rng(0)
    A, B, x = rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)

    def f(A: Any, B: Any, x: Any) -> Any:
        h = np.tanh(A @ x + 2 * x) * x
        for _ in range(3):
            h = np.exp(-h) / (1 + np.exp(-h)) + B.T @ (h * h)
        return np.sum(np.linalg.solve(A + B, h) * h) + np.trace(A @ B @ A.T) + np.sum(A * B.T)

    wg.derivative(f, (0, 1, 2), order=2)(A, B, x)
    assert sum(compared) > 0.3 * len(compared) > 20
