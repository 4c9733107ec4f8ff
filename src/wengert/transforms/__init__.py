"""Derivatives of Python functions: what :mod:`wengert.tracing` writes down, derived and run."""

from wengert.transforms import integrating
from wengert.transforms.batching import vmap
from wengert.transforms.checking import Report, check_derivatives
from wengert.transforms.compiling import Compiled, compile
from wengert.transforms.control import cond, fori_loop, scan, stop_gradient, while_loop
from wengert.transforms.curvature import (
    fisher,
    gauss_newton,
    gradient_moments,
    hessian_diagonal,
    hessian_trace,
)
from wengert.transforms.custom import custom_derivative, implicit
from wengert.transforms.differentiate import (
    derivative,
    divergence,
    grad,
    hessian,
    jacobian,
    laplacian,
    value_and_grad,
)
from wengert.transforms.directional import hvp, jvp, linearize, vjp
from wengert.transforms.jets import jet
from wengert.transforms.patterns import sparsity

__all__ = [
    "Compiled",
    "Report",
    "check_derivatives",
    "compile",
    "cond",
    "custom_derivative",
    "derivative",
    "divergence",
    "fisher",
    "fori_loop",
    "gauss_newton",
    "grad",
    "gradient_moments",
    "hessian",
    "hessian_diagonal",
    "hessian_trace",
    "hvp",
    "implicit",
    "integrating",
    "jacobian",
    "jet",
    "jvp",
    "laplacian",
    "linearize",
    "scan",
    "sparsity",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]
