"""What runs a plan."""

from wengert.backends.numpy_backend import compile_plan

__all__ = ["compile_plan"]
