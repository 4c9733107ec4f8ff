"""Guarantee, forecast and measurement side by side, in words, numbers and a figure.

``study`` does the work in ``stages``: ``choices`` of methods, their ``outlook``, what is
``measured``, the ``comparison``; ``report`` holds what was found, ``text`` and ``plots`` show it.
"""
