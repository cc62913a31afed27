"""LSTM, GRU and RNN, spelled step by step: unrolled where the length is known and short, else as a Scan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from onnx import TensorProto

from onnxpath.errors import ShapeError, UnsupportedOperator
from onnxpath.graph.ir import Tensor, Variable, rank
from onnxpath.rules.gradient.table import gradient

UNROLLED = 8
"""Steps up to which a recurrence is spelled without a Scan."""

# Each activation, then the values of alpha and beta where a node gives none.
ACTIVATIONS = {
    "relu": (lambda op, x: op.Relu(x),),
    "tanh": (lambda op, x: op.Tanh(x),),
    "sigmoid": (lambda op, x: op.Sigmoid(x),),
    "softsign": (lambda op, x: op.Softsign(x),),
    "softplus": (lambda op, x: op.Softplus(x),),
    "leakyrelu": (lambda op, x, alpha: op.LeakyRelu(x, alpha=alpha), 0.01),
    "thresholdedrelu": (lambda op, x, alpha: op.ThresholdedRelu(x, alpha=alpha), 1.0),
    "elu": (lambda op, x, alpha: op.Elu(x, alpha=alpha), 1.0),
    "affine": (lambda op, x, alpha, beta: op.Add(op.Mul(x, alpha), beta), 1.0, 0.0),
    "scaledtanh": (lambda op, x, alpha, beta: op.Mul(op.Tanh(op.Mul(x, beta)), alpha), 1.0, 1.0),
    "hardsigmoid": (lambda op, x, alpha, beta: op.HardSigmoid(x, alpha=alpha, beta=beta), 0.2, 0.5),
}


@dataclass
class Weights:
    """Of one direction. R: recurrent weights, transposed, [H, gates * H]; Rb: recurrent bias; P: peepholes."""

    size: int
    R: Tensor
    Rb: Tensor | None
    P: Tensor | None


@gradient.expansion("RNN")
def rnn(
    op,
    X,
    W,
    R,
    B=None,
    sequence_lens=None,
    initial_h=None,
    *,
    activation_alpha=None,
    activation_beta=None,
    activations=("Tanh", "Tanh"),
    clip=None,
    direction="forward",
    hidden_size=None,
    layout=0,
):
    def cell(op, functions, x, states, w):
        return (functions[0](op, op.Add(x, op.MatMul(states[0], w.R))),)

    time_first(layout)
    functions = activated(activations, activation_alpha, activation_beta, clip)
    return recurrence(op, cell, X, (W, R, B, None), sequence_lens, [initial_h], direction, functions, per=1)


@gradient.expansion("GRU")
def gru(
    op,
    X,
    W,
    R,
    B=None,
    sequence_lens=None,
    initial_h=None,
    *,
    activation_alpha=None,
    activation_beta=None,
    activations=None,
    clip=None,
    direction="forward",
    hidden_size=None,
    layout=0,
    linear_before_reset=0,
):
    def cell(op, functions, x, states, w):
        f, g = functions
        (h,), halves = states, [2 * w.size, w.size]
        x_gates, x_new = op.Split(x, halves, axis=-1, outputs=2)
        if linear_before_reset:
            h_gates, h_new = op.Split(op.MatMul(h, w.R), halves, axis=-1, outputs=2)
            h_new = h_new if w.Rb is None else op.Add(h_new, last(op, w.Rb, w.size))
        else:
            R_gates, R_new = op.Split(w.R, halves, axis=-1, outputs=2)
            h_gates = op.MatMul(h, R_gates)
        update, reset = op.Split(f(op, op.Add(x_gates, h_gates)), axis=-1, num_outputs=2, outputs=2)
        h_new = op.Mul(reset, h_new) if linear_before_reset else op.MatMul(op.Mul(reset, h), R_new)
        new = g(op, op.Add(x_new, h_new))
        # (1 - update) * new + update * h, with one product less
        return (op.Add(new, op.Mul(update, op.Sub(h, new))),)

    time_first(layout)
    functions = activated(activations or ["Sigmoid", "Tanh"] * 2, activation_alpha, activation_beta, clip)
    inside = 1 if linear_before_reset else 0
    return recurrence(op, cell, X, (W, R, B, None), sequence_lens, [initial_h], direction, functions, 2, inside)


@gradient.expansion("LSTM")
def lstm(
    op,
    X,
    W,
    R,
    B=None,
    sequence_lens=None,
    initial_h=None,
    initial_c=None,
    P=None,
    *,
    activation_alpha=None,
    activation_beta=None,
    activations=None,
    clip=None,
    direction="forward",
    hidden_size=None,
    input_forget=0,
    layout=0,
):
    def cell(op, functions, x, states, w):
        f, g, squash = functions
        h, c = states
        gates = op.Split(op.Add(x, op.MatMul(h, w.R)), axis=-1, num_outputs=4, outputs=4)
        peeps = op.Split(w.P, axis=0, num_outputs=3, outputs=3) if w.P is not None else (None,) * 3
        (into, out, forget, new), (p_in, p_out, p_forget) = gates, peeps
        into = f(op, peep(op, into, c, p_in))
        forget = op.Sub(1, into) if input_forget else f(op, peep(op, forget, c, p_forget))
        c = op.Add(op.Mul(forget, c), op.Mul(into, g(op, new)))
        return op.Mul(f(op, peep(op, out, c, p_out)), squash(op, c)), c

    time_first(layout)
    functions = activated(activations or ["Sigmoid", "Tanh", "Tanh"] * 2, activation_alpha, activation_beta, clip)
    initial = [initial_h, initial_c]
    return recurrence(op, cell, X, (W, R, B, P), sequence_lens, initial, direction, functions, per=3)


def time_first(layout):
    if layout:
        raise UnsupportedOperator("a recurrent operator with layout=1 has no gradient rule; canonize the model first")


def peep(op, gate, c, p):
    return gate if p is None else op.Add(gate, op.Mul(p, c))


def last(op, bias, size):
    return op.Slice(bias, [-size], [2**31 - 1], [0])


def activated(names, alphas, betas, clip):
    """Return one function f(op, x) per activation; alphas and betas go to those that have any, in order."""
    given = [iter(alphas or ()), iter(betas or ())]
    functions = []
    for name in names:
        if name.lower() not in ACTIVATIONS:
            raise UnsupportedOperator(
                f"the activation '{name}' of a recurrent operator has no gradient; known: {', '.join(ACTIVATIONS)}"
            )
        function, *defaults = ACTIVATIONS[name.lower()]
        values = [next(source, default) for source, default in zip(given, defaults, strict=False)]
        functions.append(partial(clipped, function, values, clip))
    return functions


def clipped(function, values, clip, op, x):
    return function(op, x if clip is None else op.Clip(x, -clip, clip), *values)


def recurrence(op, cell, X, tensors, lens, initial, direction, functions, per, apart=0):
    """Return Y [T, directions, N, H] and the last of each state [directions, N, H].

    cell: f(op, functions, x, states, weights) -> states, the first being what is given out; x holds the gates' part
    that does not depend on the state; tensors: W, R, B, P; per: activations per direction; apart: 1 where the
    recurrent bias of the last gate is not a part of x.
    """
    for t in (X, tensors[1]):
        rank(t)  # raises where it is unknown
    size = tensors[1].shape[2]  # of R
    if not isinstance(size, int):
        raise ShapeError(
            f"the hidden size of '{tensors[1].name}' is open until run time; its gradient needs to know it"
        )
    count = 2 if direction == "bidirectional" else 1
    found = []
    for d in range(count):
        W, R, B, P, *states = (t if t is None else of_direction(op, t, d, count) for t in (*tensors, *initial))
        x = op.MatMul(X, op.Transpose(W, perm=[1, 0]))
        Rb = None
        if B is not None:
            Wb, Rb = op.Split(B, axis=0, num_outputs=2, outputs=2)
            x = op.Add(x, op.Add(Wb, without_last(op, Rb, size) if apart else Rb))
        weights = Weights(size, op.Transpose(R, perm=[1, 0]), Rb, P)
        states = [zeros(op, X, size) if s is None else s for s in states]
        step = partial(cell, functions=functions[d * per : (d + 1) * per], w=weights)
        found.append(one_direction(op, step, x, states, lens, direction == "reverse" or d == 1))
    Y = joined(op, [op.Unsqueeze(outputs, [1]) for outputs, _ in found], 1)
    return Y, *(joined(op, [op.Unsqueeze(ends[k], [0]) for _, ends in found], 0) for k in range(len(initial)))


def of_direction(op, t, d, count):
    return op.Squeeze(t, [0]) if count == 1 else op.Gather(t, op.const(d), axis=0)


def without_last(op, bias, size):
    """Return a bias with zeros for its last gate, which adds it elsewhere."""
    return op.Pad(op.Slice(bias, [0], [-size], [0]), [0, size])


def joined(op, parts, axis):
    return parts[0] if len(parts) == 1 else op.Concat(*parts, axis=axis)


def zeros(op, X, size):
    rows = op.const([X.shape[1]]) if isinstance(X.shape[1], int) else op.Shape(X, start=1, end=2)
    made = op.Expand(op.like(0, X), op.Concat(rows, op.const([size]), axis=0))
    made.shape = [X.shape[1], size]
    return made


def one_direction(op, step, x, states, lens, backwards):
    """Return the outputs [T, N, H] and the last states [N, H] of one direction; x: [T, N, gates * H]."""
    valid = None
    if lens is not None:
        lens = op.Cast(lens, to=TensorProto.INT64)
        steps = op.places(x, 0)
        valid = op.Unsqueeze(op.Less(op.Unsqueeze(steps, [1]), lens), [2])
        # Each row is turned within its own length; what is behind that stays behind.
        x = op.ReverseSequence(x, lens, time_axis=0, batch_axis=1) if backwards else x
    run = unrolled if isinstance(x.shape[0], int) and 0 < x.shape[0] <= UNROLLED else scanned
    outputs, states = run(op, partial(advance, step), x, valid, states, backwards and lens is None)
    if backwards and lens is not None:
        outputs = op.ReverseSequence(outputs, lens, time_axis=0, batch_axis=1)
    return outputs, states


def advance(step, op, states, x, valid=None):
    """Take one step; return what it gives out and the new states, which rows that have ended keep."""
    new = step(op, x=x, states=states)
    if valid is None:
        return new[0], new
    return op.Where(valid, new[0], 0), [op.Where(valid, n, s) for n, s in zip(new, states, strict=True)]


def unrolled(op, take, x, valid, states, turned):
    count = x.shape[0]
    columns = [[op.Squeeze(part, [0]) for part in parts(op, t, count)] for t in (x, valid) if t is not None]
    rows = list(zip(*columns, strict=True))
    outputs = []
    for row in reversed(rows) if turned else rows:
        output, states = take(op, states, *row)
        outputs.append(op.Unsqueeze(output, [0]))
    return joined(op, outputs[::-1] if turned else outputs, 0), states


def parts(op, t, count):
    return [t] if count == 1 else op.Split(t, axis=0, num_outputs=count, outputs=count)


def scanned(op, take, x, valid, states, turned):
    given = [x] if valid is None else [x, valid]
    inner = op.inside()
    entering = [inner.add_input(inner.name("state"), s.dtype, s.shape) for s in states]
    slices = [inner.add_input(inner.name("step"), t.dtype, t.shape[1:]) for t in given]
    output, leaving = take(inner, entering, *slices)
    for made, like in zip([*leaving, output], [*entering, entering[0]], strict=True):
        inner.add_output(made, inner.name("next")).shape = list(like.shape)
    *states, outputs = op.control(
        "Scan",
        [*states, *given],
        [*states, Variable("", x.dtype, [x.shape[0], *states[0].shape])],
        body=inner,
        num_scan_inputs=len(given),
        scan_input_directions=[int(turned)] * len(given),
        scan_output_directions=[int(turned)],
    )
    return outputs, states
