"""Differentiation of expressions."""

from wengert.derive.collapse import collapsed, contracted, highest, representatives
from wengert.derive.linearize import pullback, pushforward
from wengert.derive.modes import cheapest_mode, deltas, derivative, jacobians, resolve_mode

__all__ = [
    "cheapest_mode",
    "collapsed",
    "contracted",
    "deltas",
    "derivative",
    "highest",
    "jacobians",
    "pullback",
    "pushforward",
    "representatives",
    "resolve_mode",
]
