"""LSTM, GRU and RNN written out row by row and step by step: onnx.reference lacks lengths, activations and clip."""

from __future__ import annotations

import numpy as np
from onnx.reference.op_run import OpRun


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# name: function of (x, alpha, beta), default alpha, default beta; None where there is none
ACTIVATIONS = {
    "relu": (lambda x, a, b: np.maximum(x, 0), None, None),
    "tanh": (lambda x, a, b: np.tanh(x), None, None),
    "sigmoid": (lambda x, a, b: sigmoid(x), None, None),
    "affine": (lambda x, a, b: a * x + b, 1.0, 0.0),
    "leakyrelu": (lambda x, a, b: np.where(x >= 0, x, a * x), 0.01, None),
    "thresholdedrelu": (lambda x, a, b: np.where(x > a, x, 0), 1.0, None),
    "scaledtanh": (lambda x, a, b: a * np.tanh(b * x), 1.0, 1.0),
    "hardsigmoid": (lambda x, a, b: np.clip(a * x + b, 0, 1), 0.2, 0.5),
    "elu": (lambda x, a, b: np.where(x >= 0, x, a * (np.exp(x) - 1)), 1.0, None),
    "softsign": (lambda x, a, b: x / (1 + np.abs(x)), None, None),
    "softplus": (lambda x, a, b: np.log(1 + np.exp(x)), None, None),
}


def functions(names, alphas, betas, clip):
    alphas, betas = list(alphas or ()), list(betas or ())
    bound = np.inf if clip is None else clip
    made = []
    for name in names:
        function, alpha, beta = ACTIVATIONS[name.lower()]
        alpha = alphas.pop(0) if alpha is not None and alphas else alpha
        beta = betas.pop(0) if beta is not None and betas else beta
        made.append(lambda x, f=function, a=alpha, b=beta: f(np.clip(x, -bound, bound), a, b))
    return made


def rnn_step(x, h, c, W, R, Wb, Rb, P, act, node):
    return act[0](W @ x + R @ h + Wb + Rb), c


def gru_step(x, h, c, W, R, Wb, Rb, P, act, node):
    (Wz, Wr, Wh), (Rz, Rr, Rh) = np.split(W, 3), np.split(R, 3)
    (bz, br, bh), (dz, dr, dh) = np.split(Wb, 3), np.split(Rb, 3)
    z, r = act[0](Wz @ x + Rz @ h + bz + dz), act[0](Wr @ x + Rr @ h + br + dr)
    inside = r * (Rh @ h + dh) if node.linear_before_reset else Rh @ (r * h) + dh
    return (1 - z) * act[1](Wh @ x + inside + bh) + z * h, c


def lstm_step(x, h, c, W, R, Wb, Rb, P, act, node):
    i, o, f, g = np.split(W @ x + R @ h + Wb + Rb, 4)
    Pi, Po, Pf = np.split(P, 3)
    i = act[0](i + Pi * c)
    f = 1 - i if node.input_forget else act[0](f + Pf * c)
    c = f * c + i * act[1](g)
    return act[0](o + Po * c) * act[2](c), c


class Recurrent(OpRun):
    op_domain = ""

    def _run(self, X, W, R, B=None, lens=None, h0=None, c0=None, P=None, **attributes):
        if self.layout:
            X, h0, c0 = (None if t is None else t.swapaxes(0, 1) for t in (X, h0, c0))
        (T, N, _), (D, GH, _), H = X.shape, W.shape, R.shape[2]
        B = np.zeros((D, 2 * GH), X.dtype) if B is None else B
        P = np.zeros((D, 3 * H), X.dtype) if P is None else P
        h0, c0 = (np.zeros((D, N, H), X.dtype) if s is None else s for s in (h0, c0))
        names = list(self.activations or self.defaults * D)[: len(self.defaults) * D]
        act = functions(names, self.activation_alpha, self.activation_beta, self.clip)
        Y, H_end, C_end = np.zeros((T, D, N, H), X.dtype), np.zeros_like(h0), np.zeros_like(h0)
        for d, n in np.ndindex(D, N):
            own, (h, c) = act[d * len(self.defaults) :], (h0[d, n], c0[d, n])
            order = range(T if lens is None else lens[n])
            for t in reversed(order) if self.direction == "reverse" or d else order:
                Wb, Rb = np.split(B[d], 2)
                h, c = type(self).step(X[t, n], h, c, W[d], R[d], Wb, Rb, P[d], own, self)
                Y[t, d, n] = h
            H_end[d, n], C_end[d, n] = h, c
        outputs = (Y, H_end, C_end)
        if self.layout:
            outputs = (Y.transpose(2, 0, 1, 3), H_end.swapaxes(0, 1), C_end.swapaxes(0, 1))
        return tuple(o.astype(X.dtype) for o in outputs[: len(self.onnx_node.output)])


class RNN(Recurrent):
    step, defaults = staticmethod(rnn_step), ["Tanh"]


class GRU(Recurrent):
    step, defaults = staticmethod(gru_step), ["Sigmoid", "Tanh"]


class LSTM(Recurrent):
    step, defaults = staticmethod(lstm_step), ["Sigmoid", "Tanh", "Tanh"]
