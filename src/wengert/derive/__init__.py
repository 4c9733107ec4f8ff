"""Differentiation of expressions."""

from wengert.derive.linearize import pullback, pushforward
from wengert.derive.modes import cheapest_mode, deltas, derivative, resolve_mode

__all__ = ["cheapest_mode", "deltas", "derivative", "pullback", "pushforward", "resolve_mode"]
