"""Tests of Python functions traced through NumPy's protocols."""
