"""What runs a plan."""

from wengert.backends.cores import cores, threads_named
from wengert.backends.engines import compile_with, engine_named, kept_functions
from wengert.backends.numpy_backend import compile_plan
from wengert.backends.programs import (
    Program,
    bound,
    common_dtype,
    owned,
    plan_of,
    program_of,
    run,
)

__all__ = [
    "Program",
    "bound",
    "common_dtype",
    "compile_plan",
    "compile_with",
    "cores",
    "engine_named",
    "kept_functions",
    "owned",
    "plan_of",
    "program_of",
    "run",
    "threads_named",
]
