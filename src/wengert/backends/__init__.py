"""What runs a plan."""

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
    "owned",
    "plan_of",
    "program_of",
    "run",
]
