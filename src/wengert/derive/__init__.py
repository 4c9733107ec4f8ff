"""Differentiation of expressions."""

from wengert.derive.linearize import pullback, pushforward
from wengert.derive.modes import cheapest_mode, deltas, derivative, jacobians, resolve_mode

__all__ = [
    "cheapest_mode",
    "deltas",
    "derivative",
    "jacobians",
    "pullback",
    "pushforward",
    "resolve_mode",
]
