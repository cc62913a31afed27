"""Loop and Scan: the gradient runs through the iterations in reverse, in a Loop of its own.

What enters each iteration is kept by the forward node as one more scan output; the backward body computes the forward
body again from it, walks back through it, carries the cotangents of the states and adds up those of outer tensors.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx_graphsurgeon as gs

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.ir import Node, Tensor, Variable, captures, is_float, replace_uses
from onnxpath.graph.query import downstream, upstream
from onnxpath.rules.gradient.control import seeds
from onnxpath.rules.gradient.table import gradient
from onnxpath.rules.ruleset import ZERO


@dataclass
class Along:
    """How a tensor is cut into one slice per iteration: along which axis, and from its end if `flipped`."""

    axis: int = 0
    flipped: bool = False


@dataclass
class Steps:
    """The iterations of a Loop or Scan.

    lead_in, lead_out: what stands before the states among the inputs and outputs of the body; trips: int64 scalar.
    """

    node: Node
    body: gs.Graph
    states: list[Tensor]
    lead_in: int = 0
    lead_out: int = 0
    slices: list[Tensor] = field(default_factory=list)
    taken: list[Along] = field(default_factory=list)
    given: list[Along] = field(default_factory=list)
    trips: Tensor | None = None

    @property
    def entering(self) -> list[Tensor]:
        return list(self.body.inputs)[self.lead_in : self.lead_in + len(self.states)]

    @property
    def leaving(self) -> list[Tensor]:
        return list(self.body.outputs)[self.lead_out : self.lead_out + len(self.states)]


@gradient("Loop", several=True)
def loop(op, dy, y, M, cond, *v_initial, body):
    steps = Steps(maker(y), body, list(v_initial), lead_in=2, lead_out=1)
    scans = [t for t in y[len(v_initial) :] if t.name]
    steps.given = [Along() for _ in y[len(v_initial) :]]
    steps.trips = size_of(op, scans[0], 0) if scans else op.Size(remember(op, steps, body.inputs[0]))
    return None, None, *back_through(op, steps, dy, first=2)


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
    count = len(initial_state_and_scan_inputs) - num_scan_inputs
    states, slices = initial_state_and_scan_inputs[:count], initial_state_and_scan_inputs[count:]
    steps = Steps(maker(y), body, list(states), slices=list(slices))
    steps.taken = along(slices, scan_input_axes, scan_input_directions)
    steps.given = along(y[count:], scan_output_axes, scan_output_directions)
    steps.trips = size_of(op, slices[0], steps.taken[0].axis)
    return tuple(back_through(op, steps, dy, first=0))


def maker(y):
    """Return the node that makes these outputs."""
    return y[0].inputs[0]


def along(tensors, axes, directions):
    axes, directions = axes or [0] * len(tensors), directions or [0] * len(tensors)
    return [
        Along(axis % len(t.shape) if axis < 0 else axis, bool(direction))
        for t, axis, direction in zip(tensors, axes, directions, strict=True)
    ]


def size_of(op, x, axis):
    """Return the size of an axis as an int64 scalar, a constant where it is known."""
    known = x.shape[axis] if x.shape is not None else None
    return op.const(known) if isinstance(known, int) else op.Squeeze(op.Shape(x, start=axis, end=axis + 1), [0])


def back_through(op, steps, dy, first):
    """Return the gradients of the states, of the sliced inputs and of what the body reads from outside, in order.

    first: the place of the first state among the node's inputs.
    """
    n = len(steps.states)
    outside = list(captures(steps.body).values())
    after = first + n
    wanted_slices = [k for k in range(len(steps.slices)) if op.wants(after + k)]
    wanted_outside = [t for k, t in enumerate(outside, start=after + len(steps.slices)) if op.wants(k)]

    inner = op.inside()
    i, go = inner.add_input(inner.name("i"), "int64", []), inner.add_input(inner.name("go"), "bool", [])
    t = inner.Sub(inner.Sub(steps.trips, 1), i)
    entering = [place_of(inner, b, s) for b, s in zip(steps.entering, steps.states, strict=True)]
    slices = [place_of(inner, b) for b in steps.body.inputs[steps.lead_in + n :]]
    made = inner.inline_body(steps.body, [*lead(inner, steps, t), *entering, *slices])
    leaving, scans = made[steps.lead_out : steps.lead_out + n], made[steps.lead_out + n :]

    roots = [t.name for t in wanted_outside] + [slices[k].name for k in wanted_slices]
    wanted_states = {k for k in range(n) if op.wants(first + k)}
    active = active_states(inner, entering, leaving, roots, wanted_states, scans, dy)
    refuse_what_changes(steps, active)
    carried = [
        inner.add_input(inner.name(entering[k].name, op.role), entering[k].dtype, entering[k].shape) for k in active
    ]
    arriving = [slice_of(inner, d, steps.given[k], i, t) for k, d in enumerate(dy[n:])]
    ends = [*(leaving[k] for k in active), *scans]
    names = [*(entering[k].name for k in active), *roots]
    grads = inner.differentiate(seeds(inner, ends, [*carried, *arriving]), names)

    summed = [x for x in wanted_outside if x.name in grads]
    sums = [inner.add_input(inner.name(x.name, "sum"), x.dtype, x.shape) for x in summed]
    inner.add_output(go, inner.name("go_on"))
    for k, d in zip(active, carried, strict=True):
        inner.add_output(found(inner, grads, entering[k], d), inner.name(entering[k].name, op.role))
    for x, so_far in zip(summed, sums, strict=True):
        inner.add_output(inner.Add(so_far, grads[x.name]), inner.name(x.name, op.role))
    for k in wanted_slices:
        inner.add_output(found(inner, grads, slices[k], slices[k]), inner.name(slices[k].name, op.role))
    inner.graph.inputs[:] = [i, go, *carried, *sums]
    recall(op, inner, steps, entering, slices, i, t)

    results = op.control(
        "Loop",
        [
            steps.trips,
            op.const(True),
            *(dy[k] if dy[k] is not None else op.zeros_like(steps.states[k]) for k in active),
            *(op.zeros_like(x) for x in summed),
        ],
        [
            *(steps.states[k] for k in active),
            *summed,
            *(Variable("", s.dtype, [None, *s.shape]) for s in (slices[k] for k in wanted_slices)),
        ],
        body=inner,
    )
    by_state = dict(zip(active, results, strict=False))
    by_outside = dict(zip((x.name for x in summed), results[len(active) :], strict=False))
    by_slice = dict(zip(wanted_slices, results[len(active) + len(summed) :], strict=True))
    return [
        *(by_state.get(k, ZERO) for k in range(n)),
        *(
            unsliced(op, by_slice[k], steps.slices[k], steps.taken[k]) if k in by_slice else None
            for k in range(len(slices))
        ),
        *(by_outside.get(x.name, ZERO) for x in outside),
    ]


def place_of(op, inside, outside=None):
    """Return a tensor that stands for an input of the body until it is known whether it is needed."""
    dtype = inside.dtype if inside.dtype is not None or outside is None else outside.dtype
    return op.add_input(op.name(inside.name, op.role), dtype, inside.shape)


def lead(op, steps, t):
    """Return what a Loop's body gets before its states: the iteration, and that it goes on."""
    values = [t, op.const(True)][: steps.lead_in]
    return [
        op.Reshape(value, [1]) if inside.shape is not None and len(inside.shape) == 1 else value
        for value, inside in zip(values, steps.body.inputs, strict=False)
    ]


def active_states(op, entering, leaving, roots, wanted, scans, dy):
    """Return the places of the float states that depend on what is wanted and that a cotangent reaches."""
    graph, nodes = op.graph, list(op.graph.nodes)
    arriving = [t.name for t, d in zip(scans, dy[len(leaving) :], strict=False) if d is not None]

    def moved(places):
        reached = downstream(graph, [*roots, *(entering[k].name for k in places)], nodes=nodes)
        return {k for k, t in enumerate(leaving) if t.name in reached and is_float(t)}

    def hit(places):
        needed = upstream(graph, [*arriving, *(leaving[k].name for k in places)], nodes=nodes)
        return {k for k, t in enumerate(entering) if t.name in needed}

    given = {k for k in range(len(leaving)) if dy[k] is not None}
    return sorted(closure(wanted, moved) & closure(given, hit))


def closure(places, step):
    """Return the places that `step` leads to from these, however often it is taken, and these."""
    while more := step(places) - places:
        places = places | more
    return places


def refuse_what_changes(steps, places):
    """Refuse states that cannot be stacked: sequences, and those whose shape an iteration changes."""
    for k in places:
        first, last = steps.states[k], steps.leaving[k]
        known = first.shape is not None and last.shape is not None
        other = known and (
            len(first.shape) != len(last.shape)
            or any(
                a != b and isinstance(a, int) and isinstance(b, int)
                for a, b in zip(first.shape, last.shape, strict=True)
            )
        )
        if other or getattr(first, "type", "tensor_type") != "tensor_type":
            what = f"has shape {first.shape} before and {last.shape} after an iteration" if other else "is no tensor"
            raise UnsupportedOperator(
                f"the state '{steps.entering[k].name}' of node '{steps.node.name}' ({steps.node.op}) {what}, and its "
                "gradient needs states of one shape; write the model with a scan output instead"
            )


def slice_of(op, x, how, i, t):
    """Return the slice of `x` that the iteration being undone took or gave."""
    return None if x is None else op.Gather(x, i if how.flipped else t, axis=how.axis)


def found(op, grads, x, like):
    return grads[x.name] if x.name in grads else op.zeros_like(like)


def recall(op, inner, steps, entering, slices, i, t):
    """Let the backward body read what entered each iteration, as far as it needs that."""
    read = upstream(inner.graph, [x.name for x in inner.graph.outputs])
    needed = [k for k, place in enumerate(entering) if place.name in read]
    refuse_what_changes(steps, needed)
    for k in needed:
        replace_uses(entering[k], inner.Gather(remember(op, steps, steps.entering[k]), t, axis=0))
    for place, x, how in zip(slices, steps.slices, steps.taken, strict=True):
        if place.name in read:
            replace_uses(place, slice_of(inner, x, how, i, t))


def remember(op, steps, entering):
    """Return all values of an input of the body, [iterations, ...], as a further scan output of the forward node."""
    node, body = steps.node, steps.body
    each = Variable(op.name(entering.name, "each"), entering.dtype, entering.shape)
    body.nodes.append(Node("Identity", op.name(node.name, "Identity"), {}, [entering], [each]))
    while len(node.outputs) < len(body.outputs) - steps.lead_out:
        node.outputs.append(Variable.empty())
    body.outputs.append(each)
    shape = [None, *entering.shape] if entering.shape is not None else None
    node.outputs.append(Variable(op.name(entering.name, "all"), entering.dtype, shape))
    for name in ("scan_output_axes", "scan_output_directions"):
        if name in node.attrs:
            node.attrs[name] = [*node.attrs[name], 0]
    return node.outputs[-1]


def unsliced(op, grads, x, how):
    """Put the gradients of slices, made from the last iteration to the first, together in the form of `x`."""
    if not how.flipped:
        grads = op.Slice(grads, [-1], [np.iinfo(np.int64).min], [0], [-1])
    if how.axis:
        rest = list(range(1, len(x.shape)))
        grads = op.Transpose(grads, perm=[*rest[: how.axis], 0, *rest[how.axis :]])
    grads.shape = list(x.shape)
    return grads
