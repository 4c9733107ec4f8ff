"""Traces of the user's functions: Python functions of libraries take part from the first one on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wengert.tracing.replacing import install
from wengert.tracing.trace import Evaluator, Trace, current_trace
from wengert.tracing.trace import new_trace as _new_trace


@contextmanager
def new_trace(evaluator: Evaluator | None) -> Iterator[Trace]:
    """A trace inside the one that is running, if any; libraries are readied for the outermost."""
    if current_trace() is None:
        install()
    with _new_trace(evaluator) as trace:
        yield trace
