"""Machine code made at run time: the floor on which plans are compiled.

``types`` and ``builder`` write LLVM IR, ``engine`` compiles and links it (``host`` says for which
machine, ``cache`` keeps it on disk), ``mathematics`` has the functions of vectors, ``vectors`` the
loops over arrays, ``blas`` the addresses of SciPy's routines, and ``callables`` makes Python
functions of it all. Nothing here is loaded by ``import wengert``.
"""
