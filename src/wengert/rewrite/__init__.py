"""Passes over expressions: stable forms and the form that people read."""

from wengert.rewrite.display import display
from wengert.rewrite.signs import with_written_signs, written_signs
from wengert.rewrite.stable import lower, lower_all, recognise, recognise_all

__all__ = [
    "display",
    "lower",
    "lower_all",
    "recognise",
    "recognise_all",
    "with_written_signs",
    "written_signs",
]
