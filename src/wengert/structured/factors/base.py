"""What every factorisation gives, and errors that name where a null direction lies."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from wengert.errors import DomainError, SingularMatrixError

Product = Callable[[Any], Any]


class Factorization(ABC):
    """A square array, ready to be solved with.

    Right-hand sides and solutions are matrices with one row for each row of the array.
    """

    method: str

    @abstractmethod
    def solve(self, b: Any) -> Any:
        """x with A x = b, both of shape ``(rows, m)``."""

    @abstractmethod
    def slogdet(self) -> tuple[float, float]:
        """The sign of the determinant, and the logarithm of its absolute value."""

    def logdet(self) -> float:
        """The logarithm of the determinant.

        Raises
        ------
        DomainError
            If it is negative.
        """
        sign, log = self.slogdet()
        if sign < 0:
            raise DomainError("the determinant is negative; slogdet gives its sign and size")
        return log


def singular_at(index: tuple[int, ...] | None, message: str) -> SingularMatrixError:
    """An error that knows the index at which a null direction lies."""
    error = SingularMatrixError(message)
    error.index = index
    return error
