"""Expressions with the notations that they must print."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from wengert.assumptions import parse_assumptions
from wengert.expr import Expr
from wengert.operations import (
    add,
    constant,
    contract,
    det,
    diag,
    divide,
    elementwise,
    identity,
    inv,
    kron,
    leaf_of,
    logdet,
    matmul,
    mul,
    norm2,
    ones,
    outer,
    plus,
    power,
    scale,
    softmax,
    sub,
    sum_,
    trace,
    transpose,
    variable,
    vec,
)
from wengert.printing.matrix import Orientation
from wengert.shapes import symbol

M, N, K = symbol("m"), symbol("n"), symbol("k")
X, R = variable("X", (M, N)), variable("R", (M, N))
A, B = variable("A", (N, N)), variable("B", (N, N))
W1 = variable("W1", (N, N))
S = variable("S", (N, N), parse_assumptions("symmetric"))
D = variable("D", (N, N), parse_assumptions("diagonal"))
T = variable("T", (N, M, K))
W, P, Q, U = (variable(name, (N,)) for name in ("w", "x", "b", "x1"))
Y, V = variable("y", (M,)), variable("v", (K,))
C, LAMBDA = variable("t", ()), variable("lambda", ())
VARIABLES = [leaf_of(D), X, R, A, B, W1, S, T, W, P, Q, U, Y, V, C, LAMBDA]

RESIDUAL = sub(matmul(X, W), Y)
SOFT = softmax(P)


@dataclass(frozen=True)
class Sample:
    """An expression and its notations; ``matrix`` is None where there is none."""

    expr: Expr
    matrix: str | None
    latex: str
    index: str
    text: str
    orientation: Orientation | None = None
    rows: int | None = None


SAMPLES = {
    "least squares": Sample(
        power(norm2(RESIDUAL), 2),
        "‖Xw − y‖²",
        r"\left\|Xw-y\right\|^{2}",
        "Σ_i (Xw − y)_i²",
        "norm2(X*w - y)^2",
    ),
    "its gradient": Sample(
        scale(2, matmul(RESIDUAL, X)),
        "2(Xw − y)ᵀX",
        r"2\left(Xw-y\right)^{\top}X",
        "2 (Xw − y)_j X_ji",
        "2*(X*w - y)'*X",
        "row",
    ),
    "its halved value": Sample(
        scale(Fraction(1, 2), power(norm2(RESIDUAL), 2)),
        "‖Xw − y‖²/2",
        r"\frac{1}{2}\left\|Xw-y\right\|^{2}",
        "Σ_i (Xw − y)_i²/2",
        "norm2(X*w - y)^2/2",
    ),
    "regularised": Sample(
        add([power(norm2(RESIDUAL), 2), mul(LAMBDA, power(norm2(W), 2))], [1, 1]),
        "‖Xw − y‖² + lambda ‖w‖²",
        r"\left\|Xw-y\right\|^{2}+\lambda\left\|w\right\|^{2}",
        "Σ_i (Xw − y)_i² + Σ_i lambda w_i²",
        "norm2(X*w - y)^2 + lambda*norm2(w)^2",
    ),
    "quadratic form": Sample(
        matmul(P, matmul(A, P)), "xᵀAx", r"x^{\top}Ax", "A_ij x_i x_j", "x'*A*x"
    ),
    "symmetric part": Sample(
        plus(A, transpose(A)), "A + Aᵀ", r"A+A^{\top}", "A_ij + A_ji", "A + A'"
    ),
    "symmetric operand": Sample(
        matmul(transpose(matmul(S, A)), P), "AᵀSx", r"A^{\top}Sx", "A_ji S_kj x_k", "A'*S*x"
    ),
    "diagonal operand": Sample(matmul(D, A), "DA", "DA", "A_ij D_ii", "D*A"),
    "softmax": Sample(
        sub(diag(SOFT), outer(SOFT, SOFT)),
        "diag(softmax(x)) − softmax(x) softmax(x)ᵀ",
        r"\operatorname{diag}\left(\operatorname{softmax}\left(x\right)\right)"
        r"-\operatorname{softmax}\left(x\right)\,\operatorname{softmax}\left(x\right)^{\top}",
        "δ_ij softmax(x)_i − softmax(x)_i softmax(x)_j",
        "diag(softmax(x)) - softmax(x)*softmax(x)'",
    ),
    "polynomial": Sample(
        add([constant(1), power(C, 2), C], [1, 1, 2]),
        "t² + 2t + 1",
        "t^{2}+2t+1",
        "t² + 2 t + 1",
        "t^2 + 2*t + 1",
    ),
    "tanh": Sample(
        sub(ones((N,)), power(elementwise("tanh", P), 2)),
        "1 − tanh²(x)",
        r"1-\tanh^{2}\left(x\right)",
        "1 − tanh(x_i)²",
        "vector(1) - tanh(x).^2",
    ),
    "trace": Sample(
        trace(matmul(A, matmul(B, transpose(A)))),
        "tr(ABAᵀ)",
        r"\operatorname{tr}\left(ABA^{\top}\right)",
        "A_ij A_ik B_jk",
        "tr(A*B*A')",
    ),
    "inverse": Sample(
        mul(det(A), transpose(inv(A))),
        "det(A) A⁻ᵀ",
        r"\det\left(A\right)\,A^{-\top}",
        "det(A) (A⁻¹)_ji",
        "det(A)*inv(A)'",
    ),
    "log det": Sample(
        logdet(S), "log det(S)", r"\log\det\left(S\right)", "log det(S)", "logdet(S)"
    ),
    "logistic Hessian": Sample(
        contract([X, X, elementwise("sigmoid", matmul(X, W))], [(0, 1), (0, 2), (0,)], (1, 2)),
        "Xᵀ diag(σ(Xw)) X",
        r"X^{\top}\,\operatorname{diag}\left(\sigma\left(Xw\right)\right)\,X",
        "Σ_k σ((Xw)_k) X_ki X_kj",
        "X'*diag(sigmoid(X*w))*X",
    ),
    "normalised gradient": Sample(
        mul(matmul(RESIDUAL, X), power(norm2(RESIDUAL), -1)),
        "(Xw − y)ᵀX/‖Xw − y‖",
        r"\frac{1}{\left\|Xw-y\right\|}\left(Xw-y\right)^{\top}X",
        "(Xw − y)_j X_ji/‖Xw − y‖",
        "(X*w - y)'*X/norm2(X*w - y)",
        "row",
    ),
    "reflection": Sample(
        sub(identity(N), outer(P, P)), "I − xxᵀ", r"I-xx^{\top}", "δ_ij − x_i x_j", "eye - x*x'"
    ),
    "sum": Sample(sum_(X), "sum(X)", r"\mathbf{1}^{\top}X\mathbf{1}", "Σ_ij X_ij", "sum(X)"),
    "quotient": Sample(divide(P, Q), "x ⊘ b", r"x \oslash b", "x_i/b_i", "x ./ b"),
    "subscripts": Sample(matmul(W1, U), "W₁x₁", "W_{1}x_{1}", "W₁_ij x₁_j", "W1*x1"),
    "kron": Sample(kron(A, B), "A ⊗ B", r"A \otimes B", "(A ⊗ B)_ij", "kron(A, B)"),
    "vec": Sample(vec(X), "vec(X)", r"\operatorname{vec}\left(X\right)", "vec(X)_i", "vec(X)"),
    "size": Sample(trace(identity(N)), "n", "n", "n", "sum(vector(1, n))"),
    "tensor": Sample(
        contract([T, V], [(0, 1, 2), (2,)], (0, 1)),
        None,
        r"T_{ijk}\,v_{k}",
        "T_ijk v_k",
        'einsum("ijk,k->ij", T, v)',
    ),
    "derivative of AXB": Sample(
        contract([A, B], [(0, 2), (3, 1)], (0, 1, 2, 3)),
        "A ⊗ Bᵀ",
        r"A \otimes B^{\top}",
        "A_ik B_lj",
        'einsum("ik,lj->ijkl", A, B)',
        "tensor",
        2,
    ),
    "Hessian in a matrix": Sample(
        contract([W, W], [(1,), (2,)], (0, 1, 0, 2), sizes={0: M}, coefficient=2),
        "2(I ⊗ wwᵀ)",
        r"2\left(I \otimes ww^{\top}\right)",
        "2 δ_ik w_j w_l",
        '2*einsum("j,l,ik->ijkl", w, w, eye(m))',
        "tensor",
        2,
    ),
    "backward chain": Sample(
        contract([P, A, Q, B], [(0,), (0, 1), (1,), (1, 2)], (2,)),
        "xᵀA diag(b) B",
        r"x^{\top}A\,\operatorname{diag}\left(b\right)\,B",
        "Σ_k A_jk B_ki b_k x_j",
        "x'*A*diag(b)*B",
        "row",
    ),
}
