"""Plans as machine code.

``statements`` says what is computed over which entries, ``lowering`` makes statements of a plan's
instructions (of products in ``pairs``, of what moves in ``placing``), ``grouping`` puts those
together that go over the same entries, ``arranging`` says in which order they run and where values
are, ``nests`` and ``products`` write loops and calls of BLAS, ``loops`` and ``branches`` what
repeats or chooses programs, ``kernels`` a whole function, and ``programs`` runs a plan: native
segments, and NumPy's steps between them.
"""
