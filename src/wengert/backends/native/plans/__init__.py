"""Plans as machine code.

``lowerable`` and ``natives`` say which instructions have native code. ``statements`` says what is
computed over which entries, ``lowering`` makes statements of a plan's instructions (of products in
``pairs``, of what moves in ``placing``, by ``moving`` and ``transfers``). ``grouping`` puts those
together that go over the same entries, ``blocking`` those that go through the same rows,
``dividing`` cuts what takes long (by ``costs``) into pieces, and ``arranging`` says in which order
all this runs and where in ``memory`` values are. ``nests``, ``tiles``, ``products`` and ``pieces``
write loops and calls of BLAS, ``routines`` what operations write themselves (with ``arrays``),
``loops`` and ``branches`` what repeats or chooses programs, ``kernels`` a whole function.
``programs`` runs a plan: native segments, and NumPy's steps between them.
"""
