"""The Matrix Cookbook (November 15, 2012), 2.5 to 2.8: traces, norms, structured matrices."""

from __future__ import annotations

from corpus.case import Case, case

_SQUARE = {"X": "invertible"}
_ROW = "the Cookbook prints the column; here the row"
_PROJECTED = "the Cookbook ties the entries (i, j) and (j, i): G + Gᵀ − G∘I; here (G + Gᵀ)/2"

TRACES_FIRST = (
    case("cookbook-99", "tr(X)", "X", "X(3,3)", "Matrix Cookbook (99)", known={"X": "eye + 0*X"}),
    case(
        "cookbook-100", "tr(X*A)", "X", "X(3,2) A(2,3)", "Matrix Cookbook (100)", known={"X": "A'"}
    ),
    case(
        "cookbook-101",
        "tr(A*X*B)",
        "X",
        "A(2,3) X(3,4) B(4,2)",
        "Matrix Cookbook (101)",
        known={"X": "A'*B'"},
    ),
    case(
        "cookbook-102",
        "tr(A*X'*B)",
        "X",
        "A(2,4) X(3,4) B(3,2)",
        "Matrix Cookbook (102)",
        known={"X": "B*A"},
    ),
    case(
        "cookbook-103", "tr(X'*A)", "X", "X(3,2) A(3,2)", "Matrix Cookbook (103)", known={"X": "A"}
    ),
    case(
        "cookbook-104", "tr(A*X')", "X", "X(3,2) A(3,2)", "Matrix Cookbook (104)", known={"X": "A"}
    ),
    case(
        "cookbook-105",
        "tr(kron(A, X))",
        "X A",
        "A(2,2) X(3,3)",
        "Matrix Cookbook (105)",
        known={"X": "tr(A)*(eye + 0*X)", "A": "tr(X)*(eye + 0*A)"},
    ),
)

TRACES_SECOND = (
    case("cookbook-106", "tr(X*X)", "X", "X(3,3)", "Matrix Cookbook (106)", known={"X": "2*X'"}),
    case(
        "cookbook-107",
        "tr(X*X*B)",
        "X",
        "X(3,3) B(3,3)",
        "Matrix Cookbook (107)",
        known={"X": "(X*B + B*X)'"},
    ),
    case(
        "cookbook-108",
        "tr(X'*B*X)",
        "X B",
        "X(3,2) B(3,3)",
        "Matrix Cookbook (108)",
        known={"X": "B*X + B'*X", "B": "X*X'"},
    ),
    case(
        "cookbook-109",
        "tr(B*X*X')",
        "X",
        "X(3,2) B(3,3)",
        "Matrix Cookbook (109)",
        known={"X": "B*X + B'*X"},
    ),
    case(
        "cookbook-110",
        "tr(X*X'*B)",
        "X",
        "X(3,2) B(3,3)",
        "Matrix Cookbook (110)",
        known={"X": "B*X + B'*X"},
    ),
    case(
        "cookbook-111",
        "tr(X*B*X')",
        "X",
        "X(2,3) B(3,3)",
        "Matrix Cookbook (111)",
        known={"X": "X*B' + X*B"},
    ),
    case(
        "cookbook-112",
        "tr(B*X'*X)",
        "X",
        "X(2,3) B(3,3)",
        "Matrix Cookbook (112)",
        known={"X": "X*B' + X*B"},
    ),
    case(
        "cookbook-113",
        "tr(X'*X*B)",
        "X",
        "X(2,3) B(3,3)",
        "Matrix Cookbook (113)",
        known={"X": "X*B' + X*B"},
    ),
    case(
        "cookbook-114",
        "tr(A*X*B*X)",
        "X",
        "A(3,2) X(2,3) B(3,2)",
        "Matrix Cookbook (114)",
        known={"X": "A'*X'*B' + B'*X'*A'"},
    ),
    case(
        "cookbook-115", "tr(X*X')", "X", "X(2,3)", "Matrix Cookbook (115)", known={"X": "2*X"}
    ),
    case(
        "cookbook-116",
        "tr(B'*X'*C*X*B)",
        "X B",
        "X(4,3) C(4,4) B(3,2)",
        "Matrix Cookbook (116)",
        known={"X": "C'*X*B*B' + C*X*B*B'", "B": "X'*(C + C')*X*B"},
    ),
    case(
        "cookbook-117",
        "tr(X'*B*X*C)",
        "X",
        "X(3,2) B(3,3) C(2,2)",
        "Matrix Cookbook (117)",
        known={"X": "B*X*C + B'*X*C'"},
    ),
    case(
        "cookbook-118",
        "tr(A*X*B*X'*C)",
        "X",
        "A(2,3) X(3,4) B(4,4) C(3,2)",
        "Matrix Cookbook (118)",
        known={"X": "A'*C'*X*B' + C*A*X*B"},
    ),
    case(
        "cookbook-119",
        "tr((A*X*B + C)*(A*X*B + C)')",
        "X C",
        "A(2,3) X(3,2) B(2,4) C(2,4)",
        "Matrix Cookbook (119)",
        known={"X": "2*A'*(A*X*B + C)*B'", "C": "2*(A*X*B + C)"},
    ),
    case(
        "cookbook-120",
        "tr(kron(X, X))",
        "X",
        "X(3,3)",
        "Matrix Cookbook (120)",
        known={"X": "2*tr(X)*(eye + 0*X)"},
    ),
)

TRACES_HIGHER = (
    case(
        "cookbook-121",
        "tr(matpow(X, 4))",
        "X",
        "X(3,3)",
        "Matrix Cookbook (121), k = 4",
        known={"X": "4*matpow(X, 3)'"},
    ),
    case(
        "cookbook-121-product",
        "tr(X*X*X)",
        "X",
        "X(3,3)",
        "Matrix Cookbook (121), k = 3",
        known={"X": "3*(X*X)'"},
    ),
    case(
        "cookbook-122",
        "tr(A*matpow(X, 3))",
        "X",
        "A(3,3) X(3,3)",
        "Matrix Cookbook (122), k = 3",
        known={"X": "(A*X*X + X*A*X + X*X*A)'"},
    ),
    case(
        "cookbook-123",
        "tr(B'*X'*C*X*X'*C*X*B)",
        "X",
        "X(3,2) C(3,3) B(2,2)",
        "Matrix Cookbook (123)",
        known={
            "X": "C*X*X'*C*X*B*B' + C'*X*B*B'*X'*C'*X + C*X*B*B'*X'*C*X + C'*X*X'*C'*X*B*B'",
        },
    ),
    case(
        "cookbook-124",
        "tr(A*inv(X)*B)",
        "X",
        "A(2,3) X(3,3) B(3,2)",
        "Matrix Cookbook (124)",
        domain=_SQUARE,
        known={"X": "-inv(X)'*A'*B'*inv(X)'"},
    ),
    case(
        "cookbook-125",
        "tr(inv(X'*C*X)*A)",
        "X",
        "X(4,2) C(4,4) A(2,2)",
        "Matrix Cookbook (125)",
        assume={"C": "positive definite"},
        known={"X": "-C*X*inv(X'*C*X)*(A + A')*inv(X'*C*X)"},
    ),
    case(
        "cookbook-126",
        "tr(inv(X'*C*X)*(X'*B*X))",
        "X",
        "X(4,2) C(4,4) B(4,4)",
        "Matrix Cookbook (126)",
        assume={"B": "symmetric", "C": "positive definite"},
        known={
            "X": "-2*C*X*inv(X'*C*X)*X'*B*X*inv(X'*C*X) + 2*B*X*inv(X'*C*X)",
        },
    ),
    case(
        "cookbook-127",
        "tr(inv(A + X'*C*X)*(X'*B*X))",
        "X",
        "X(4,2) C(4,4) B(4,4) A(2,2)",
        "Matrix Cookbook (127)",
        assume={"A": "positive definite", "B": "symmetric", "C": "positive definite"},
        known={
            "X": "-2*C*X*inv(A + X'*C*X)*X'*B*X*inv(A + X'*C*X) + 2*B*X*inv(A + X'*C*X)",
        },
        orientation="the Cookbook leaves unsaid that A is symmetric",
    ),
)

NORMS = (
    case(
        "cookbook-129",
        "norm2(x - a)",
        "x a",
        "x(4) a(4)",
        "Matrix Cookbook (129)",
        shapes="a(n)",
        known={"x": "(x - a)'/norm2(x - a)", "a": "(a - x)'/norm2(x - a)"},
        orientation=_ROW,
    ),
    case(
        "cookbook-130",
        "(x - a)/norm2(x - a)",
        "x",
        "x(4) a(4)",
        "Matrix Cookbook (130)",
        shapes="a(n)",
        known={"x": "eye/norm2(x - a) - (x - a)*(x - a)'/norm2(x - a)^3"},
    ),
    case(
        "cookbook-131",
        "norm2(x)^2",
        "x",
        "x(4)",
        "Matrix Cookbook (131)",
        known={"x": "2*x'"},
        orientation=_ROW,
    ),
    case("cookbook-132", "norm2(X)^2", "X", "X(3,2)", "Matrix Cookbook (132)", known={"X": "2*X"}),
    case(
        "cookbook-132-root",
        "norm2(A*X - B)",
        "X",
        "A(4,3) X(3,2) B(4,2)",
        "Matrix Cookbook 2.7, Frobenius norm",
        known={"X": "A'*(A*X - B)/norm2(A*X - B)"},
    ),
)

STRUCTURED = (
    case(
        "cookbook-139",
        "tr(A*X)",
        "X",
        "A(3,3) X(3,3)",
        "Matrix Cookbook (139)",
        assume={"X": "symmetric"},
        known={"X": "(A + A')/2"},
        orientation=_PROJECTED,
    ),
    case(
        "cookbook-140",
        "det(X)",
        "X",
        "X(3,3)",
        "Matrix Cookbook (140)",
        assume={"X": "symmetric"},
        domain={"X": "spd"},
        known={"X": "det(X)*inv(X)"},
        orientation=_PROJECTED,
    ),
    case(
        "cookbook-141",
        "log(det(X))",
        "X",
        "X(3,3)",
        "Matrix Cookbook (141)",
        assume={"X": "positive definite"},
        known={"X": "inv(X)"},
        orientation=_PROJECTED,
    ),
    case(
        "cookbook-142",
        "tr(A*X)",
        "X",
        "A(3,3) X(3,3)",
        "Matrix Cookbook (142)",
        assume={"X": "diagonal"},
        known={"X": "A.*eye"},
    ),
    case(
        "cookbook-symmetric-bilinear",
        "a'*X*b",
        "X a",
        "a(3) X(3,3) b(3)",
        "Matrix Cookbook (70) with (138)",
        shapes="a(n) b(n)",
        assume={"X": "symmetric"},
        known={"X": "(a*b' + b*a')/2", "a": "b'*X"},
        orientation=_PROJECTED,
    ),
    case(
        "cookbook-symmetric-inverse",
        "tr(A*inv(X))",
        "X",
        "A(3,3) X(3,3)",
        "Matrix Cookbook (124) with (138)",
        assume={"X": "positive definite"},
        known={"X": "-inv(X)*(A + A')*inv(X)/2"},
        orientation=_PROJECTED,
    ),
    case(
        "cookbook-diagonal-logdet",
        "logdet(X)",
        "X",
        "X(3,3)",
        "Matrix Cookbook 2.8.3",
        assume={"X": "diagonal"},
        known={"X": "inv(X)"},
    ),
    case(
        "cookbook-diagonal-quadratic",
        "x'*X*A*X*x",
        "X x",
        "A(3,3) X(3,3) x(3)",
        "Matrix Cookbook 2.8.3",
        assume={"X": "diagonal"},
        known={"X": "eye.*((A + A')*X*x*x')", "x": "x'*X*(A + A')*X"},
    ),
    case(
        "cookbook-orthogonal",
        "norm2(Q*x - y)^2 + tr(Q'*Q*X)",
        "x X",
        "Q(3,3) x(3) y(3) X(3,3)",
        "orthogonal constant",
        assume={"Q": "orthogonal"},
        known={"x": "2*(x - Q'*y)'", "X": "eye + 0*X"},
    ),
)

CASES: tuple[Case, ...] = TRACES_FIRST + TRACES_SECOND + TRACES_HIGHER + NORMS + STRUCTURED
