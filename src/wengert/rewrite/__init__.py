"""Passes over expressions: stable forms and the form that people read."""

from wengert.rewrite.display import display
from wengert.rewrite.stable import lower, recognise

__all__ = ["display", "lower", "recognise"]
