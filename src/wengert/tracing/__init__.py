"""Python functions to expressions, through NumPy's own protocols."""

from wengert.tracing import (
    elementwise,
    missing,
    products,
    reducing,
    scipy_functions,
    scipy_signal,
    shaping,
    statistics,
)
from wengert.tracing.array import TracedArray
from wengert.tracing.lifting import lift, refuse_subclass, stacked, trace_of
from wengert.tracing.places import at
from wengert.tracing.starting import new_trace
from wengert.tracing.trace import (
    Trace,
    current_trace,
    detached_trace,
    dtype_of_kind,
    kind_of,
    where,
)

__all__ = [
    "Trace",
    "TracedArray",
    "at",
    "current_trace",
    "detached_trace",
    "dtype_of_kind",
    "elementwise",
    "kind_of",
    "lift",
    "missing",
    "new_trace",
    "products",
    "reducing",
    "refuse_subclass",
    "scipy_functions",
    "scipy_signal",
    "shaping",
    "stacked",
    "statistics",
    "trace_of",
    "where",
]
