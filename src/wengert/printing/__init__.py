"""Printing: matrix notation, index notation, LaTeX, the formula language, and code."""

from wengert.printing.code import numpy_code
from wengert.printing.index import index_latex, index_notation
from wengert.printing.matrix import to_matrix
from wengert.printing.notation import latex, matrix_latex, matrix_notation, text

__all__ = [
    "index_latex",
    "index_notation",
    "latex",
    "matrix_latex",
    "matrix_notation",
    "numpy_code",
    "text",
    "to_matrix",
]
