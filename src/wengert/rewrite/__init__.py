"""Passes over expressions: stable forms and the form that people read."""

from wengert.rewrite.display import display
from wengert.rewrite.signs import with_written_signs, written_signs
from wengert.rewrite.stable import lower, recognise

__all__ = ["display", "lower", "recognise", "with_written_signs", "written_signs"]
