"""Networks in practice: layers, recurrent cells, attention, normalizations."""

from __future__ import annotations

from corpus.case import Case, case

_NET = "ML practice: networks"
_CELL = "ML practice: recurrent cells"
_ATTENTION = "ML practice: attention"
_NORM = "ML practice: normalization"

NETWORKS = (
    case(
        "network-1-layer",
        "norm2(sigmoid(W*x + b) - y)^2",
        "W b",
        "W(3,2) x(2) b(3) y(3)",
        _NET + ", 1 layer",
        shapes="b(m)",
        known={
            "b": "p = sigmoid(W*x + b); 2*((p - y).*p.*(vector(1) - p))'",
            "W": "p = sigmoid(W*x + b); 2*((p - y).*p.*(vector(1) - p))*x'",
        },
    ),
    case(
        "network-2-layers-relu",
        "h = relu(A*x + b); norm2(B*h + c - y)^2",
        "A b B c",
        "A(3,2) x(2) b(3) B(2,3) c(2) y(2)",
        _NET + ", 2 layers with relu",
        shapes="b(m) c(p)",
        known={
            "B": "h = relu(A*x + b); 2*(B*h + c - y)*h'",
            "c": "h = relu(A*x + b); 2*(B*h + c - y)'",
        },
    ),
    case(
        "network-2-layers-softmax",
        "h = tanh(A*x + b); z = B*h + c; logsumexp(z) - y'*z",
        "A b B c",
        "A(3,2) x(2) b(3) B(2,3) c(2) y(2)",
        _NET + ", 2 layers with softmax",
        shapes="b(m) c(p)",
        domain={"y": "onehot"},
        known={
            "c": "h = tanh(A*x + b); (softmax(B*h + c) - y)'",
            "B": "h = tanh(A*x + b); (softmax(B*h + c) - y)*h'",
        },
    ),
    case(
        "network-3-layers-batch",
        "H = tanh(X*A); K = tanh(H*B); norm2(K*C - Y)^2/4",
        "A B C",
        "X(4,2) A(2,3) B(3,2) C(2,2) Y(4,2)",
        _NET + ", 3 layers on a batch",
        known={"C": "H = tanh(X*A); K = tanh(H*B); 2/4*K'*(K*C - Y)"},
    ),
    case(
        "network-gelu",
        "x + B*gelu(A*x + b) + c",
        "x A b",
        "x(2) A(3,2) b(3) B(2,3) c(2)",
        _NET + ", residual block with gelu",
        shapes="b(m) c(n)",
    ),
    case(
        "network-swish-gated",
        "C*((A*x).*sigmoid(A*x).*(B*x))",
        "x A C",
        "A(3,2) B(3,2) C(2,3) x(2)",
        _NET + ", SwiGLU",
    ),
    case(
        "network-residual-2",
        "h = x + tanh(A*x); z = h + tanh(B*h); 0.5*norm2(z - y)^2",
        "x A B",
        "x(2) A(2,2) B(2,2) y(2)",
        _NET + ", residual",
        known={
            "B": "h = x + tanh(A*x); z = h + tanh(B*h); ((z - y).*(vector(1) - tanh(B*h).^2))*h'",
        },
    ),
    case(
        "network-highway",
        "t = sigmoid(A*x + b); t.*tanh(B*x) + (vector(1) - t).*x",
        "x A",
        "x(2) A(2,2) b(2) B(2,2)",
        _NET + ", highway",
        shapes="b(n)",
    ),
    case(
        "network-linear-deep",
        "norm2(A*B*C*x - y)^2",
        "A B C x",
        "A(2,3) B(3,2) C(2,2) x(2) y(2)",
        _NET + ", linear",
        known={
            "A": "2*(A*B*C*x - y)*(B*C*x)'",
            "B": "2*A'*(A*B*C*x - y)*(C*x)'",
            "C": "2*(A*B)'*(A*B*C*x - y)*x'",
            "x": "2*(A*B*C*x - y)'*A*B*C",
        },
    ),
    case(
        "autoencoder",
        "norm2(X - tanh(X*A)*B)^2",
        "A B",
        "X(4,3) A(3,2) B(2,3)",
        "ML practice: autoencoder",
        known={
            "B": "-2*tanh(X*A)'*(X - tanh(X*A)*B)",
            "A": "H = tanh(X*A); -2*X'*(((X - H*B)*B').*(matrix(1) - H.*H))",
        },
    ),
    case(
        "autoencoder-tied",
        "0.5*norm2(x - W'*sigmoid(W*x + b) - k)^2",
        "W b k",
        "W(2,3) x(3) b(2) k(3)",
        "ML practice: autoencoder with tied weights",
        shapes="b(p)",
        known={"k": "-(x - W'*sigmoid(W*x + b) - k)'"},
    ),
    case(
        "graph-convolution",
        "softmax(A*relu(A*X*W)*V, 1)",
        "W V",
        "A(3,3) X(3,2) W(2,2) V(2,2)",
        "ML practice: graph convolutional network",
        assume={"A": "symmetric"},
    ),
    case(
        "planar-flow",
        "h = tanh(w'*z + b); log(abs(1 + (1 - h^2)*(w'*u)))",
        "w u z b",
        "w(3) z(3) u(3) b()",
        "ML practice: planar normalizing flow",
        domain={"w": "positive", "u": "positive"},
        known={"u": "h = tanh(w'*z + b); (1 - h^2)/(1 + (1 - h^2)*(w'*u))*w'"},
    ),
    case(
        "physics-residual",
        "u = tanh(a*t + b); v = a*(1 - u^2); (v + c*u)^2",
        "a b t",
        "a() b() c() t()",
        "ML practice: physics-informed network of one neuron",
        shapes="t()",
    ),
)

CELLS = (
    case(
        "rnn-step",
        "tanh(W*x + U*h + b)",
        "h W U b",
        "W(2,3) x(3) U(2,2) h(2) b(2)",
        _CELL + ", simple",
        shapes="b(n)",
        known={"h": "diag(vector(1) - tanh(W*x + U*h + b).^2)*U"},
    ),
    case(
        "rnn-unrolled",
        "i = tanh(U*h + W*x); j = tanh(U*i + W*y); k = tanh(U*j + W*z); norm2(k)^2",
        "U W h",
        "U(2,2) h(2) W(2,2) x(2) y(2) z(2)",
        _CELL + ", three steps",
    ),
    case(
        "gru-step",
        "z = sigmoid(A*x + B*h); r = sigmoid(C*x + D*h); n = tanh(E*x + F*(r.*h));"
        " (vector(1) - z).*n + z.*h",
        "h x A F",
        "A(2,2) x(2) B(2,2) h(2) C(2,2) D(2,2) E(2,2) F(2,2)",
        _CELL + ", GRU",
    ),
    case(
        "lstm-step",
        "i = sigmoid(A*x + B*h); f = sigmoid(C*x + D*h); o = sigmoid(E*x + F*h);"
        " g = tanh(G*x + H*h); k = f.*c + i.*g; o.*tanh(k)",
        "c h G",
        "A(2,2) x(2) B(2,2) h(2) C(2,2) D(2,2) E(2,2) F(2,2) G(2,2) H(2,2) c(2)",
        _CELL + ", LSTM",
        shapes="c(n)",
    ),
)

ATTENTION = (
    case(
        "attention",
        "softmax(Q*K'/c, 1)*V",
        "Q K V c",
        "Q(2,3) K(4,3) V(4,2) c()",
        _ATTENTION,
        domain={"c": "positive"},
    ),
    case(
        "attention-one-query",
        "V'*softmax(K*x/c)",
        "x V K",
        "K(4,3) x(3) V(4,2) c()",
        _ATTENTION + ", one query",
        domain={"c": "positive"},
        known={"x": "p = softmax(K*x/c); V'*(diag(p) - p*p')*K/c"},
    ),
    case(
        "attention-loss",
        "norm2(softmax(X*A*X', 1)*X*V - Y)^2",
        "A V",
        "X(3,2) A(2,2) V(2,2) Y(3,2)",
        _ATTENTION + ", a layer and its loss",
        known={"V": "P = softmax(X*A*X', 1); 2*(P*X)'*(P*X*V - Y)"},
    ),
    case(
        "attention-linear",
        "(Q*(K'*V))./(Q*(K'*vector(1))*vector(1)')",
        "Q V",
        "Q(3,2) K(4,2) V(4,2)",
        _ATTENTION + ", linear",
        domain={"Q": "positive", "K": "positive"},
    ),
    case(
        "soft-argmax",
        "x'*softmax(c*x)",
        "x c",
        "x(4) c()",
        _ATTENTION + ", soft maximum",
        domain={"c": "positive"},
        known={
            "x": "p = softmax(c*x); (p + c*p.*x - c*(x'*p)*p)'",
            "c": "p = softmax(c*x); (x.^2)'*p - (x'*p)^2",
        },
    ),
    case(
        "gumbel-softmax",
        "softmax((log(p) + x)/c)",
        "p c x",
        "p(3) x(3) c()",
        _ATTENTION + ", Gumbel softmax",
        domain={"p": "probability", "c": "positive"},
        known={"p": "s = softmax((log(p) + x)/c); (diag(s) - s*s')*diag(1./p)/c"},
    ),
)

NORMALIZATIONS = (
    case(
        "layer-norm",
        "mu = mean(x); sigma = sqrt(mean((x - mu*vector(1)).^2) + 1e-5);"
        " k.*(x - mu*vector(1))/sigma + l",
        "x k l",
        "x(4) k(4) l(4)",
        _NORM + ", layer",
        known={"l": "diag(vector(1) + 0*l)"},
    ),
    case(
        "rms-norm",
        "k.*x/sqrt(mean(x.^2) + 1e-6)",
        "x k",
        "x(4) k(4)",
        _NORM + ", root mean square",
        known={"k": "diag(x)/sqrt(mean(x.^2) + 1e-6)"},
    ),
    case(
        "batch-norm",
        "mu = mean(X, 0); C = X - vector(1)*mu'; s = sqrt(mean(C.*C, 0) + 0.001*vector(1));"
        " C*diag(k./s) + vector(1)*l'",
        "k l X",
        "X(3,2) k(2) l(2)",
        _NORM + ", batch",
    ),
    case(
        "weight-norm",
        "a*(v'*x)/norm2(v)",
        "v a x",
        "v(3) x(3) a()",
        _NORM + ", weights",
        known={
            "v": "a*(x'/norm2(v) - (v'*x)/norm2(v)^3*v')",
            "a": "(v'*x)/norm2(v)",
            "x": "a*v'/norm2(v)",
        },
    ),
    case(
        "standardization",
        "(x - mean(x)*vector(1))/sqrt(mean((x - mean(x)*vector(1)).^2))",
        "x",
        "x(4)",
        _NORM + ", standard score",
    ),
    case(
        "variance",
        "mean((x - mean(x)*vector(1)).^2)",
        "x",
        "x(4)",
        _NORM + ", variance",
        known={"x": "2/4*(x - mean(x)*vector(1))'"},
    ),
)

CASES: tuple[Case, ...] = NETWORKS + CELLS + ATTENTION + NORMALIZATIONS
