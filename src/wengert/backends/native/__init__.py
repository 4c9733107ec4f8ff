"""Machine code made at run time: the floor on which plans are compiled.

``types`` and ``builder`` write LLVM IR, ``engine`` compiles and links it (``host`` says for which
machine, ``cache`` keeps it on disk, ``later`` works while the program goes on), ``mathematics`` has
the functions of vectors, ``vectors`` the loops over arrays, ``small`` LAPACK's routines for few
rows, ``blas`` and ``ufuncs`` the addresses of SciPy's and NumPy's, ``threads`` who works on pieces.
``callables`` makes Python functions of it all, which begin in ``entrance`` with objects as
``layout`` says. Nothing here is loaded by ``import wengert``.
"""
