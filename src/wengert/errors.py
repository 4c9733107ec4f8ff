"""Errors for users: what went wrong, where, and the remedy."""

from __future__ import annotations


class WengertError(Exception):
    """Base of every error that wengert raises on purpose."""


class FormulaError(WengertError):
    """A formula that cannot be read: the message has a caret under the place.

    Parameters
    ----------
    message : str
        What is wrong, and the remedy.
    text : str
        The whole formula.
    start, end : int
        Character range of the place in ``text``.
    """

    def __init__(
        self, message: str, text: str = "", start: int = 0, end: int | None = None
    ) -> None:
        self.reason = message
        self.text = text
        self.start = start
        self.end = start + 1 if end is None else max(end, start + 1)
        super().__init__(self._render())

    def _render(self) -> str:
        if not self.text:
            return self.reason
        line_start = self.text.rfind("\n", 0, self.start) + 1
        line_end = self.text.find("\n", self.start)
        line = self.text[line_start : len(self.text) if line_end < 0 else line_end]
        column = self.start - line_start
        width = max(1, min(self.end - self.start, len(line) - column))
        window = 72
        offset = max(0, column - window // 2)
        shown = line[offset : offset + window]
        caret = " " * (column - offset) + "^" * max(1, min(width, window - (column - offset)))
        return f"{self.reason}\n  {shown}\n  {caret}"


class ShapeError(WengertError):
    """Shapes that do not fit together; the message names both."""


class NameClashError(WengertError):
    """An unknown, missing or doubled name; the message lists the known ones."""


class AssumptionError(WengertError):
    """A value that breaks a declared assumption (symmetric, positive, ...)."""


class DomainError(WengertError):
    """A value outside the domain on which the operation (or derivative) is defined."""


class KinkError(DomainError):
    """A derivative at a point where it does not exist: the function has a kink there."""


class IndexRangeError(DomainError, IndexError):
    """An index that the array's axis does not have."""


class SingularMatrixError(DomainError):
    """A matrix that has to be inverted is singular.

    ``index`` is the row on which the null direction is largest, if it is known.
    """

    index: tuple[int, ...] | None = None


class ConvergenceError(WengertError):
    """An iteration that did not reach its tolerance; the message has the remedy."""


class MissingRuleError(WengertError):
    """A derivative that wengert does not know; never silently zero."""


class TracingError(WengertError):
    """A Python function that cannot be traced as it is; the message names the line and remedy."""


class UnknownValueError(TracingError):
    """The number behind a traced value was asked for where it is not known (compiled code)."""


class EscapedValueError(TracingError):
    """A traced value was used after its trace had ended."""


class InPlaceWriteError(TracingError, TypeError):
    """A write into a traced array, which is a value and cannot change."""


class UnsupportedFunctionError(TracingError, TypeError):
    """A function, argument or dtype that is not supported; the message names the nearest way."""


class DerivativeMismatchError(WengertError, AssertionError):
    """A derivative differs from differences; the message is the report."""
