"""Differentiation of expressions."""

from wengert.derive.modes import cheapest_mode, derivative, resolve_mode

__all__ = ["cheapest_mode", "derivative", "resolve_mode"]
