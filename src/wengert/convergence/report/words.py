"""How reports write numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite, isnan
from textwrap import wrap


def count(number: float) -> str:
    """Steps or rows, whole ones.

    >>> count(464.3), count(16816.0), count(8.3e6), count(float("inf")), count(0.4)
    ('465', '16,816', '8.3 million', 'never', '1')
    """
    if isnan(number):
        return "–"
    if not isfinite(number):
        return "never"
    if number >= 1e15:
        return f"{number:.2g}"
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if number >= size:
            return f"{number / size:.3g} {word}"
    return f"{ceil(number * (1 - 1e-9)):,}"


def steps(number: float) -> str:
    """A number of steps, with the word.

    >>> steps(0.3), steps(12.0)
    ('1 step', '12 steps')
    """
    written = count(number)
    return f"{written} step" if written == "1" else f"{written} steps"


def span(seconds: float) -> str:
    """A time in its natural unit.

    >>> span(0.00312), span(0.31), span(31.4), span(500.0), span(9000.0), span(1e6), span(3e9)
    ('3.1 ms', '0.31 s', '31 s', '8.33 min', '2.5 h', '11.6 days', '95.1 years')
    """
    if isnan(seconds):
        return "–"
    if not isfinite(seconds):
        return "never"
    if seconds < 0.1:
        return f"{1000 * seconds:.2g} ms"
    if seconds < 100:
        return f"{seconds:.2g} s"
    for size, word in ((60, "min"), (3600, "h"), (86400, "days"), (31557600, "years")):
        if seconds < 100 * size or word == "years":
            return f"{seconds / size:.3g} {word}"
    return f"{seconds:.2g} s"


def between(low: float, high: float, write: object = count) -> str:
    """An interval.

    >>> between(400, 520), between(400, float("inf"))
    ('400 to 520', '400 or more')
    """
    written = write if callable(write) else count
    if not isfinite(high):
        return f"{written(low)} or more"
    return f"{written(low)} to {written(high)}"


def factor(ratio: float) -> str:
    """How many times.

    >>> factor(1.234), factor(56.7), factor(123456.0)
    ('1.2', '57', '123,456')
    """
    return f"{ratio:.2g}" if ratio < 100 else f"{ratio:,.0f}"


def paragraph(text: str, width: int = 100, indent: str = "") -> str:
    """Lines of at most so many characters."""
    lines = wrap(text, width, initial_indent=indent, subsequent_indent=indent,
                 break_long_words=False, break_on_hyphens=False)  # fmt: skip
    return "\n".join(lines)


def bullet(text: str, width: int = 100) -> str:
    """An entry of a list."""
    lines = wrap(text, width, initial_indent="- ", subsequent_indent="  ",
                 break_long_words=False, break_on_hyphens=False)  # fmt: skip
    return "\n".join(lines)


def joined(words: Sequence[str]) -> str:
    """Words with commas and "and".

    >>> joined(["a"]), joined(["a", "b"]), joined(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
