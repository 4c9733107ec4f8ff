"""Minimisers of a quadratic gᵀs + sᵀHs/2 within ‖s‖ ≤ Δ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import WengertError

Flat = Any
Product = Callable[[Flat], Flat]

_MOST_NEWTON = 200
_UNBOUNDED = (
    "the model has no minimum: its Hessian is not positive definite; pass a radius, or use "
    "hessian='gauss-newton'"
)


def cauchy_step(g: Flat, multiply: Product, radius: float) -> Flat:
    """The minimiser along −g within the radius."""
    length = float(np.linalg.norm(g))
    if length == 0:
        return np.zeros_like(g)
    curvature = float(g @ multiply(g))
    if curvature <= 0:
        if not np.isfinite(radius):
            raise WengertError(_UNBOUNDED)
        return -(radius / length) * g
    return -min(radius / length, length**2 / curvature) * g


def steihaug_step(g: Flat, multiply: Product, radius: float, tolerance: float = 1e-8) -> Flat:
    """Conjugate gradients, up to the boundary or a direction of negative curvature.

    Stops where the residual is below ``tolerance`` times ‖g‖, or after twice as many steps as
    there are variables.
    """
    step = np.zeros_like(g)
    residual, direction = g, -g
    squared = float(residual @ residual)
    goal = (tolerance**2) * squared
    for _ in range(2 * g.size):
        if squared <= goal:
            break
        product = multiply(direction)
        curvature = float(direction @ product)
        if curvature <= 0:
            if not np.isfinite(radius):
                raise WengertError(_UNBOUNDED)
            return step + _to_boundary(step, direction, radius) * direction
        length = squared / curvature
        longer = step + length * direction
        if float(np.linalg.norm(longer)) >= radius:
            return step + _to_boundary(step, direction, radius) * direction
        step = longer
        residual = residual + length * product
        before, squared = squared, float(residual @ residual)
        direction = -residual + (squared / before) * direction
    return step


def _to_boundary(step: Flat, direction: Flat, radius: float) -> float:
    """The positive t with ‖step + t·direction‖ = radius."""
    a = float(direction @ direction)
    b = float(step @ direction)
    c = float(step @ step) - radius**2
    root = float(np.sqrt(max(b * b - a * c, 0.0)))
    return -c / (b + root) if b > 0 else (root - b) / a


def exact_step(g: Flat, H: Any, radius: float) -> Flat:
    """The global minimiser, by the eigenvalues of H.

    It is s(λ) = −(H + λI)⁻¹g with λ ≥ 0, H + λI positive semidefinite and λ(Δ − ‖s‖) = 0; where g
    has no part in the lowest eigenvalue's space, a vector from there fills up the length.
    """
    values, vectors = np.linalg.eigh(H)
    parts = vectors.T @ g
    lowest = float(values[0])
    scale = max(float(np.abs(values).max()), np.finfo(values.dtype).tiny)
    rounding = scale * values.size * float(np.finfo(values.dtype).eps)
    if lowest > rounding:
        newton = -(vectors @ (parts / values))
        if np.linalg.norm(newton) <= radius:
            return newton.astype(g.dtype)
    elif not np.isfinite(radius):
        raise WengertError(_UNBOUNDED)
    bottom = values <= lowest + rounding
    if lowest <= rounding and _is_hard(values, parts, bottom, radius):
        rest = np.where(bottom, 0.0, parts / np.where(bottom, 1.0, values - lowest))
        step = -(vectors @ rest)
        if lowest >= -rounding:
            return step.astype(
                g.dtype
            )  # flat along the lowest eigenvalue's space: the shortest minimiser
        missing = np.sqrt(max(radius**2 - float(step @ step), 0.0))
        return (step + missing * vectors[:, 0]).astype(g.dtype)
    shift = _multiplier(values, parts, lowest, radius)
    return (-(vectors @ (parts / (values + shift)))).astype(g.dtype)


def _is_hard(values: Flat, parts: Flat, bottom: Flat, radius: float) -> bool:
    """Does s(λ) stay inside the region as λ goes down to −λ₁ (with λ₁ ≤ 0)?"""
    size = float(np.linalg.norm(parts))
    if np.linalg.norm(parts[bottom]) > 1e-12 * size:
        return False
    rest = parts[~bottom] / (values[~bottom] - values[0])
    return float(np.linalg.norm(rest)) <= radius


def _multiplier(values: Flat, parts: Flat, lowest: float, radius: float) -> float:
    """The λ with ‖s(λ)‖ = Δ, by Newton's method on 1/‖s‖ − 1/Δ within a bracket."""
    size = float(np.linalg.norm(parts))
    low = max(0.0, -lowest)
    high = size / radius + max(0.0, -lowest)
    shift = max(low, size / radius - float(values[-1]))
    for _ in range(_MOST_NEWTON):
        if not low < shift <= high:
            shift = (low + high) / 2
        below = values + shift
        length = float(np.linalg.norm(parts / below))
        if abs(length - radius) <= 1e-12 * radius or high - low <= 1e-15 * high:
            break
        low, high = (shift, high) if length > radius else (low, shift)
        slope = float(np.sum(parts**2 / below**3)) / length
        shift += (length - radius) / radius * length / slope
    return shift
