"""Formulas in matrixcalculus.org's own syntax, unchanged.

Those of its documentation (as it stood from 2017 on) and its start page, and those that people gave
it and published with the code that it generated (the sites' generated files name the input and each
variable's kind). GENO is the solver of the same authors, with the same language.
"""

from __future__ import annotations

from corpus.case import Case, case

_DOCS = "matrixcalculus.org documentation"
_SITE = "matrixcalculus.org, input of published generated code"
_GENO = "geno-project.org, input of published generated code"

DOCUMENTATION = (
    case(
        "mc-start-page",
        "x'*A*x + c*sin(y)'*x",
        "x A c y",
        "A(3,3) x(3) y(3) c()",
        "matrixcalculus.org start page",
        known={
            "x": "x'*(A + A') + c*sin(y)'",
            "A": "x*x'",
            "c": "sin(y)'*x",
            "y": "c*(cos(y).*x)'",
        },
    ),
    case(
        "mc-start-page-symmetric",
        "x'*A*x + c*sin(y)'*x",
        "x A",
        "A(3,3) x(3) y(3) c()",
        "matrixcalculus.org start page, A symmetric",
        assume={"A": "symmetric"},
        known={"x": "2*x'*A + c*sin(y)'"},
    ),
    case(
        "mc-docs-quadratic",
        "0.5*x'*A*x",
        "x A",
        "A(3,3) x(3)",
        _DOCS,
        known={"x": "0.5*x'*(A + A')", "A": "0.5*x*x'"},
    ),
    case("mc-docs-exp", "A*exp(x)", "x A", "A(2,3) x(3)", _DOCS, known={"x": "A*diag(exp(x))"}),
    case("mc-docs-sin", "sin(x)'*y", "x y", "x(3) y(3)", _DOCS, known={"x": "(cos(x).*y)'"}),
    case(
        "mc-docs-elementwise",
        "(y.*v)'*x",
        "x y v",
        "y(3) v(3) x(3)",
        _DOCS,
        known={"x": "(y.*v)'", "y": "(v.*x)'", "v": "(y.*x)'"},
    ),
    case(
        "mc-docs-power",
        "a^b",
        "a b",
        "a() b()",
        _DOCS,
        domain={"a": "positive"},
        known={"a": "b*a^(b-1)", "b": "log(a)*a^b"},
    ),
    case(
        "mc-docs-norm1",
        "norm1(A*x-y)",
        "x A y",
        "A(4,3) x(3) y(4)",
        _DOCS,
        known={"x": "sign(A*x-y)'*A", "A": "sign(A*x-y)*x'", "y": "-sign(A*x-y)'"},
    ),
    case(
        "mc-docs-least-squares",
        "norm2(A*x-y)^2",
        "x A y",
        "A(4,3) x(3) y(4)",
        _DOCS,
        known={"x": "2*(A*x-y)'*A", "A": "2*(A*x-y)*x'", "y": "-2*(A*x-y)'"},
    ),
    case(
        "mc-docs-logistic",
        "sum(log(exp(-y.*(X*w)) + vector(1)))",
        "w X y",
        "X(4,3) w(3) y(4)",
        _DOCS,
        domain={"y": "labels"},
        known={
            "w": "-(X'*(exp(-y.*(X*w)).*y./(exp(-y.*(X*w))+vector(1))))'",
            "X": "-(exp(-y.*(X*w)).*y./(exp(-y.*(X*w))+vector(1)))*w'",
        },
    ),
    case(
        "mc-docs-trace",
        "tr(A*X'*B*X*C)",
        "X A B",
        "A(2,3) X(4,3) B(4,4) C(3,2)",
        _DOCS,
        known={"X": "B'*X*A'*C'+B*X*C*A", "A": "C'*X'*B'*X", "B": "X*A'*C'*X'"},
    ),
    case(
        "mc-docs-logdet-inverse",
        "log(det(inv(X)))",
        "X",
        "X(3,3)",
        _DOCS,
        domain={"X": "invertible"},
        known={"X": "-inv(X)'"},
    ),
    case("mc-docs-identity", "X", "X", "X(2,3)", "matrixcalculus.org documentation, 4th order"),
    case("mc-docs-transpose", "X'", "X", "X(2,3)", _SITE),
)

SITE = (
    case(
        "mc-kernel-alignment",
        "alpha' * (y * y' .* ((P * K * P') .* (Q * K * Q')"
        " - (P * K * Q') .* (Q * K * P'))) * alpha",
        "alpha y K",
        "K(3,3) P(4,3) Q(4,3) alpha(4) y(4)",
        _SITE,
        shapes="alpha(n)",
        assume={"K": "symmetric"},
        known={
            "alpha": "((((P*K*P').*(Q*K*Q')-(P*K*Q').*(Q*K*P'))*(y.*alpha)).*y"
            "+(((P*K*P').*(Q*K*Q')-(Q*K*P').*(P*K*Q'))*(alpha.*y)).*y)'",
        },
    ),
    case(
        "mc-tanh-log-exp",
        "x .* tanh(log(vector(1) + exp(x)))",
        "x",
        "x(4)",
        _SITE + " (mish)",
        known={
            "x": "diag(tanh(log(vector(1)+exp(x))))+diag(x.*(vector(1)"
            "-tanh(log(vector(1)+exp(x))).^2).*exp(x)./(vector(1)+exp(x)))",
        },
    ),
    case(
        "mc-gaussian-well",
        "-exp(-(x-x0)'*D*(x-x0))",
        "x x0 D",
        "x(3) x0(3) D(3,3)",
        _SITE,
        shapes="x0(n)",
        assume={"D": "symmetric"},
        known={"x": "2*exp(-(x-x0)'*D*(x-x0))*(x-x0)'*D"},
    ),
    case(
        "mc-shifted-least-squares",
        "norm2(b - A*x + c*x)^2",
        "x b c",
        "A(3,3) b(3) c() x(3)",
        _SITE,
        shapes="b(m)",
        known={"x": "(2*c*(b-A*x+c*x))'-2*(b-A*x+c*x)'*A", "c": "2*(b-A*x+c*x)'*x"},
    ),
    case(
        "mc-logistic-b",
        "sum(log(exp(-b.*(A*x)) + vector(1)))",
        "x",
        "A(4,3) b(4) x(3)",
        _SITE,
        shapes="b(m)",
        domain={"b": "labels"},
        known={"x": "(-A'*(exp(-b.*(A*x)).*b./(vector(1)+exp(-b.*(A*x)))))'"},
    ),
    case(
        "mc-symmetric-inverse",
        "tr(A'*inv(X))",
        "X",
        "A(3,3) X(3,3)",
        _SITE,
        assume={"A": "symmetric", "X": "symmetric"},
        domain={"X": "spd"},
        known={"X": "0.5*(-(inv(X)'*A*inv(X)'+inv(X)*A'*inv(X)))"},
    ),
    case(
        "mc-layer",
        "W2 * z1 + b2",
        "W2 b2 z1",
        "W2(2,3) z1(3) b2(2)",
        _SITE,
        shapes="W2(m,n) z1(n) b2(m)",
        known={"z1": "W2", "b2": "diag(vector(1) + 0*b2)"},
    ),
    case(
        "mc-oja",
        "w*w'*v - (w'*w)*v",
        "w v",
        "w(3) v(3)",
        _SITE,
        known={"w": "w'*v*eye+w*v'-2*v*w'", "v": "w*w' - w'*w*eye"},
    ),
    case(
        "mc-sharpe",
        "((weight'*returns)-(riskless)')/(weight'*covmatr*weight).^0.5",
        "weight",
        "weight(3) returns(3) riskless() covmatr(3,3)",
        _SITE,
        shapes="weight(n) returns(n) riskless() covmatr(n,n)",
        assume={"covmatr": "positive definite"},
        known={
            "weight": "(1/(weight'*covmatr*weight).^0.5*returns"
            "-(0.5*(weight'*covmatr*weight).^(-0.5)*(weight'*returns-riskless))"
            "/((weight'*covmatr*weight).^0.5).^2*covmatr*weight"
            "-(0.5*(weight'*covmatr*weight).^(-0.5)*(returns'*weight-riskless))"
            "/((weight'*covmatr*weight).^0.5).^2*covmatr*weight)'",
        },
    ),
    case("mc-product", "X * W", "W X", "X(3,2) W(2,2)", _SITE),
    case("mc-sum", "A+B", "A", "A(2,3) B(2,3)", _SITE),
    case(
        "mc-quadratic-in-A",
        "b'*H'*A'*M*A*H*b",
        "A",
        "A(3,2) H(2,4) M(3,3) b(4)",
        _SITE,
        shapes="b(n)",
        known={"A": "M*A*H*b*(H*b)'+M'*A*H*b*(H*b)'"},
    ),
    case(
        "mc-neuron",
        "((tanh(w'*i+b)+1)/2-d)^2",
        "b w",
        "w(3) i(3) b() d()",
        _SITE,
        known={"b": "(1-tanh(b+w'*i).^2)*((1+tanh(b+w'*i))/2-d)"},
    ),
    case(
        "mc-neurons",
        "sum(((0.5 * tanh((i * w) + vector(b)) + vector(1)) - vector(d)).^2)",
        "b d w",
        "i(4,3) w(3) b() d()",
        _SITE,
        shapes="i(m,n)",
        known={
            "b": "sum((vector(1)+0.5*tanh(i*w+b*vector(1))-d*vector(1))"
            ".*(vector(1)-tanh(i*w+b*vector(1)).^2))",
        },
    ),
    case(
        "mc-layer-of-time",
        "tanh(W1 * t + b1)",
        "b1 t W1",
        "W1(3) t() b1(3)",
        _SITE,
        shapes="W1(m) t() b1(m)",
        known={
            "b1": "diag(vector(1)-tanh(b1+t*W1).^2)",
            "t": "(vector(1)-tanh(b1+t*W1).^2).*W1",
        },
    ),
    case(
        "mc-polynomial-in-a-matrix",
        "phi*-(1/6)*phi*phi*phi",
        "phi",
        "phi(2,2)",
        _SITE,
        shapes="phi(n,n)",
    ),
    case(
        "mc-matrix-named-I", "I-(1/2)*phi*phi", "phi I", "I(2,2) phi(2,2)", _SITE, shapes="phi(n,n)"
    ),
    case(
        "mc-spring",
        "(1-l0/norm2(p-q))*(p-q)",
        "p q l0",
        "l0() p(3) q(3)",
        _SITE,
        shapes="l0()",
        known={"p": "l0/norm2(p-q).^3*(p-q)*(p-q)'+(1-l0/norm2(p-q))*eye"},
    ),
    case(
        "mc-subspace-projection",
        "norm2(v*(p+B*-inv(B'*v'*v*B)*B'*v'*(v*p-w))-w)^2",
        "B p",
        "v(4,3) p(3) B(3,2) w(4)",
        _SITE,
        shapes="v(m,n)",
    ),
    case(
        "mc-handles",
        "norm2(V*W*z-vprime)^2",
        "z W V",
        "V(4,3) W(3,2) z(2) vprime(4)",
        _SITE,
        shapes="vprime(m)",
        known={
            "z": "(2*W'*V'*(V*W*z-vprime))'",
            "W": "2*V'*(V*W*z-vprime)*z'",
            "V": "2*(V*W*z-vprime)*z'*W'",
        },
    ),
    case(
        "mc-multinomial",
        "y' * log(x * theta)",
        "theta",
        "x(4,3) theta(3) y(4)",
        _SITE,
        shapes="x(m,n) theta(n)",
        domain={"x": "positive", "theta": "positive", "y": "counts"},
        known={"theta": "(x'*(y./(x*theta)))'"},
    ),
    case(
        "mc-multinomial-simplex",
        "y' * log(x * exp(theta) / sum(exp(theta))) - 1/18 * theta' * theta",
        "theta",
        "x(4,3) theta(3) y(4)",
        _SITE,
        shapes="x(m,n) theta(n)",
        domain={"x": "positive", "y": "counts"},
        known={
            "theta": "(1/sum(exp(theta))*(x'*(y./(1/sum(exp(theta))*x*exp(theta)))).*exp(theta)"
            "-1/sum(exp(theta)).^2*exp(theta)'*x'*(y./(1/sum(exp(theta))*x*exp(theta)))"
            "*exp(theta)-2/18*theta)'",
        },
    ),
    case(
        "mc-hinges",
        "relu(sum(byp.*relu(y-ayp))+sum(byn.*relu(ayn-y))+sum(cy.*y)+k)^3",
        "y",
        "byp(3) ayp(3) byn(3) ayn(3) cy(3) y(3) k()",
        _SITE + ", shortened",
        shapes="byp(n) ayp(n) byn(n) ayn(n) cy(n) k()",
        domain={"k": "large"},
    ),
    case(
        "mc-image-model",
        "(1/(2*sdl2)) * norm2(image - (exp( (-1/(2 * sdp2)) * ((((P - (K * B)).^2) * M1)"
        " + ((Ca.^2) * M2)' - (2 * (P - (K * B)) * Ca')))) * A)^2",
        "B",
        "sdl2() image(3) sdp2() P(3,2) K(3,2) B(2,2) M1(2,3) Ca(3,2) M2(2,3) A(3)",
        _SITE,
        shapes="sdl2() image(m) sdp2() P(m,k) M1(k,n) Ca(n,k) M2(k,m) A(n)",
        domain={"sdl2": "positive", "sdp2": "positive"},
    ),
)

GENO = (
    case(
        "geno-kernel-svm-dual",
        "0.5*(a.*y)'*K*(a.*y)-sum(a)",
        "a",
        "a(3) y(3) K(3,3)",
        _GENO,
        shapes="a(n)",
        assume={"K": "symmetric"},
        domain={"y": "labels"},
        known={"a": "(y.*(K*(a.*y)))' - vector(1)'"},
    ),
    case(
        "geno-indefinite-kernel",
        "0.5*a'*(K.*(Y'*Y))*a-sum(a)",
        "a K",
        "a(3) K(3,3) Y(2,3)",
        _GENO,
        shapes="a(n)",
        assume={"K": "symmetric"},
    ),
    case(
        "geno-eigenvalues",
        "0.5*(alphas.*y)'*eigenvectors*diag(eigenvalues)*eigenvectors'*(alphas.*y)-sum(alphas)"
        "+beta*sum(eigenvalues)+gamma*norm2(Kold-eigenvectors*diag(eigenvalues)*eigenvectors')",
        "alphas eigenvalues",
        "alphas(3) y(3) eigenvectors(3,2) eigenvalues(2) beta() gamma() Kold(3,3)",
        _GENO,
        shapes="alphas(n) eigenvectors(n,k) eigenvalues(k) beta() gamma() Kold(n,n)",
        assume={"Kold": "symmetric"},
    ),
    case(
        "geno-packing",
        "-sum(tanh(tanh(A*x)+tanh(B*x)+tanh(C*x)))+norm1(x)",
        "x",
        "A(3,2) B(3,2) C(3,2) x(2)",
        _GENO,
    ),
    case(
        "geno-nmf",
        "norm2(A-C*S).^2",
        "C S",
        "A(4,3) C(4,2) S(2,3)",
        _GENO,
        known={"C": "-2*(A-C*S)*S'", "S": "-2*C'*(A-C*S)"},
    ),
    case(
        "geno-softmax-regression",
        "sum((-T).*(W'*X))+sum(log(exp(X'*W)*vector(1)))",
        "W",
        "T(2,4) W(3,2) X(3,4)",
        _GENO,
        known={"W": "-X*T' + X*(exp(X'*W)./(exp(X'*W)*vector(1)*vector(1)'))"},
    ),
    case(
        "geno-mixture",
        "d/2*log((sigma.^2)'*h.^2)+norm2(Mu*h-y).^2/(2*(sigma.^2)'*h.^2)-(alpha-vector(1))'*log(h)",
        "h",
        "d() sigma(3) h(3) Mu(4,3) y(4) alpha(3)",
        _GENO,
        shapes="sigma(n) Mu(m,n) alpha(n)",
        domain={"h": "positive", "d": "positive"},
    ),
)

PAPERS = (
    case(
        "mc-paper-quadratic",
        "x'*A*x",
        "x",
        "A(4,4) x(4)",
        "Laue, Mitterreiter, Giesen (2018), introduction: Hessian A + Aᵀ",
        known={"x": "x'*(A + A')"},
    ),
    case(
        "mc-paper-factorization",
        "norm2(T - U*V')^2",
        "U V",
        "T(4,3) U(4,2) V(3,2)",
        "Laue, Mitterreiter, Giesen (2018), matrix factorization",
        known={"U": "-2*(T - U*V')*V", "V": "-2*(T - U*V')'*U"},
    ),
    case(
        "mc-paper-relu-network",
        "h = relu(A*x); z = B*h; log(sum(exp(z))) - y'*z",
        "A B",
        "A(3,2) x(2) B(2,3) y(2)",
        "Laue, Mitterreiter, Giesen (2018), neural network with relu and cross-entropy",
        domain={"y": "onehot"},
        known={"B": "h = relu(A*x); (softmax(B*h) - y)*h'"},
    ),
)

CASES: tuple[Case, ...] = DOCUMENTATION + SITE + GENO + PAPERS
