"""Loop and Scan: the gradient runs through the iterations in reverse."""

from __future__ import annotations

from onnxpath.graph.ir import copy_body, is_float
from onnxpath.graph.subgraphs import captures, detach
from onnxpath.rules.gradient.iterations import Along, Steps, Wanted, back_through, remember
from onnxpath.rules.gradient.table import gradient
from onnxpath.rules.ruleset import ZERO


@gradient("Loop", several=True)
def loop(op, dy, y, M, cond, *v_initial, body):
    outside, count = captures(body), len(v_initial)
    wants = {name: op.wants(place) for place, name in enumerate(outside, start=2 + count)}
    walked, slices, taken = peeled(body, outside)
    wanted = Wanted(
        {k for k in range(count) if op.wants(2 + k)},
        [k for k, x in enumerate(slices) if wants[x.name]],
        [x for name, x in captures(walked).items() if wants[name]],
    )
    steps = Steps(maker(y), body, list(v_initial), walked, 2, 1, slices, taken, [Along() for _ in y[count:]])
    scans = [t for t in y[count:] if t.name]
    steps.trips = op.size_along(scans[0], 0) if scans else op.Size(remember(op, steps, body.inputs[0]))

    by_state, by_slice, by_outside = back_through(op, steps, dy, wanted)
    found = {name: [grad] for name, grad in by_outside.items()}
    for k, grad in by_slice.items():
        found.setdefault(slices[k].name, []).append(lengthened(op, grad, slices[k], taken[k].axis))
    states = (by_state.get(k, ZERO) for k in range(count))
    return None, None, *states, *(op.sum(found[name]) if name in found else ZERO for name in outside)


@gradient("Scan", several=True)
def scan(
    op,
    dy,
    y,
    *initial_state_and_scan_inputs,
    body,
    num_scan_inputs,
    scan_input_axes=None,
    scan_input_directions=None,
    scan_output_axes=None,
    scan_output_directions=None,
):
    outside, inputs = captures(body), list(initial_state_and_scan_inputs)
    count = len(inputs) - num_scan_inputs
    states, slices = inputs[:count], inputs[count:]
    taken = along(slices, scan_input_axes, scan_input_directions)
    given = along(y[count:], scan_output_axes, scan_output_directions)
    wanted = Wanted(
        {k for k in range(count) if op.wants(k)},
        [k for k in range(num_scan_inputs) if op.wants(count + k)],
        [x for place, x in enumerate(outside.values(), start=len(inputs)) if op.wants(place)],
    )
    steps = Steps(maker(y), body, states, copy_body(body, outside), 0, 0, slices, taken, given)
    steps.trips = op.size_along(slices[0], taken[0].axis)
    by_state, by_slice, by_outside = back_through(op, steps, dy, wanted)
    return (
        *(by_state.get(k, ZERO) for k in range(count)),
        *(by_slice.get(k, ZERO) for k in range(num_scan_inputs)),
        *(by_outside.get(name, ZERO) for name in outside),
    )


def maker(y):
    """Return the node that makes these outputs."""
    return y[0].inputs[0]


def along(tensors, axes, directions):
    axes, directions = axes or [0] * len(tensors), directions or [0] * len(tensors)
    return [
        Along(axis % len(t.shape) if axis < 0 else axis, bool(direction))
        for t, axis, direction in zip(tensors, axes, directions, strict=True)
    ]


def peeled(body, outside):
    """Return a copy of a Loop's body in which outer tensors that it reads slice by slice, in order, are inputs.

    Their gradients are then scan outputs; as outer tensors, each iteration would add up a tensor of the whole size.
    """
    copy, slices, taken = copy_body(body, outside), [], []
    for node in list(copy.nodes):
        x = node.inputs[0] if node.op == "Gather" else None
        if x is None or x.name not in outside or not is_float(x) or x.shape is None:
            continue
        if counts(node.inputs[1], copy.inputs[0]):
            slices.append(x)
            taken.append(Along(node.attrs.get("axis", 0) % len(x.shape)))
            copy.inputs.append(node.outputs[0])
            node.outputs.clear()
            copy.nodes.remove(node)
            detach(node)
    return copy, slices, taken


def counts(index, iteration):
    """True where an index is the number of the iteration."""
    while index is not iteration and index.inputs and index.inputs[0].op in ("Cast", "Identity"):
        index = index.inputs[0].inputs[0]
    return index is iteration and not iteration.shape


def lengthened(op, grad, x, axis):
    """Return `grad` with zeros for the slices behind the last iteration."""
    missing = op.Sub(op.Shape(x, start=axis, end=axis + 1), op.Shape(grad, start=axis, end=axis + 1))
    grad = op.Pad(grad, op.Concat(op.const([0]), missing, axis=0), None, [axis])
    grad.shape = list(x.shape)
    return grad
