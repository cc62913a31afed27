"""LSTM, GRU and RNN: three steps, two rows, inputs of size 2 and a state of size 2; longer ones run as a Scan."""

from tests.cases.case import case, fed, real, weight

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
LONG = 9


def row(what, op, attributes="", inputs="", outputs="y, h", steps=3, both=False, dims=("batch", "all"), kinks=()):
    """A case. inputs: which of B, lens, h0, c0, P are given, in one word each; both: two directions."""
    directions, gates = 2 if both else 1, GATES[op]
    shapes = {
        "B": weight(directions, 2 * gates * 2),
        "lens": fed([steps, steps - 2], "int32"),
        "h0": real(directions, 2, 2, low=-0.9, high=0.9),
        "c0": real(directions, 2, 2, low=-0.9, high=0.9),
        "P": weight(directions, 6),
    }
    used = inputs.split()
    slots = ", ".join(name if name in used else "" for name in shapes).rstrip(", ")
    tensors = {
        "X": real(steps, 2, 2, low=-1.5, high=1.5),
        "W": weight(directions, gates * 2, 2),
        "R": weight(directions, gates * 2, 2),
        **{name: shapes[name] for name in used},
    }
    text = f"{outputs} = {op}<hidden_size = 2{attributes and ', '}{attributes}>(X, W, R{slots and ', '}{slots})"
    return case(f"{op}/{what}", text, dims=dims, kinks=kinks, **tensors)


BOTH = 'direction = "bidirectional"'
UNLIKE = 'activations = ["Softsign", "ScaledTanh"], activation_alpha = [0.7], activation_beta = [0.8]'
BACK = 'direction = "reverse"'

CASES = [
    row("plain", "RNN"),
    row("all inputs, backwards", "RNN", BACK, "B h0"),
    row("both ways, own activations", "RNN", f"{BOTH}, {UNLIKE}", "B h0", both=True),
    row("lengths, backwards", "RNN", BACK, "lens h0"),
    row("long", "RNN", "", "B h0", steps=LONG),
    row("affine", "RNN", 'activations = ["Affine"], activation_alpha = [0.5], activation_beta = [0.1]', "h0"),
    row("leaky", "RNN", 'activations = ["LeakyRelu"], activation_alpha = [0.2]', "B"),
    row("hard sigmoid", "RNN", 'activations = ["HardSigmoid"], activation_alpha = [0.1], activation_beta = [0.4]', "B"),
    row("softplus", "RNN", 'activations = ["Softplus"]', "B"),
    row("elu", "RNN", 'activations = ["Elu"]', "B"),
    row("plain", "GRU"),
    row("all inputs, backwards", "GRU", BACK, "B h0"),
    row("linear before reset", "GRU", "linear_before_reset = 1", "B h0"),
    row("linear before reset, no bias", "GRU", "linear_before_reset = 1", "h0"),
    row("both ways, lengths", "GRU", f"{BOTH}, linear_before_reset = 1", "B lens h0", both=True),
    row("last state alone", "GRU", "", "B", outputs=", h"),
    row("long, both ways", "GRU", BOTH, "B h0", steps=LONG, both=True),
    row("long, lengths", "GRU", BACK, "B lens", steps=LONG),
    row("plain", "LSTM", outputs="y, h, c"),
    row("peepholes, backwards", "LSTM", BACK, "B h0 c0 P", outputs="y, h, c"),
    row("lengths", "LSTM", "", "B lens h0 c0 P", outputs="y, h, c"),
    row("both ways", "LSTM", BOTH, "B h0 c0", outputs="y, h, c", both=True),
    row("both ways, lengths", "LSTM", BOTH, "B lens c0", outputs="y, h, c", both=True),
    row("input forget", "LSTM", 'input_forget = 1, activations = ["Sigmoid", "Softsign", "Tanh"]', "B P"),
    row("clip", "LSTM", "clip = 0.5", "B h0 c0", outputs="y, h, c"),
    row("last cell alone", "LSTM", "", "B", outputs=", , c"),
    row("long, peepholes", "LSTM", "", "B h0 c0 P", outputs="y, h, c", steps=LONG),
    row("long, both ways, lengths", "LSTM", BOTH, "B lens", outputs="y, h, c", steps=LONG, both=True),
]  # fmt: skip
