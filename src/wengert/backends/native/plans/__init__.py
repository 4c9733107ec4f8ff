"""Plans as machine code.

``statements`` says what is computed over which entries, ``lowering`` makes statements of a plan's
instructions, ``grouping`` puts those together that go over the same entries, ``nests`` and
``products`` write loops and calls of BLAS, ``kernels`` a whole function with its memory, and
``programs`` runs a plan: native segments, and NumPy's steps between them.
"""
