"""Formulas from the literature and from practice, and an oracle for their derivatives.

Nothing here imports wengert: the corpus is data, and the oracle is independent of the library.
"""
