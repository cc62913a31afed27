"""The iterations of a Loop or Scan undone, from the last to the first, in a Loop of its own.

What enters each iteration is kept by the forward node as one more scan output; the backward body computes the forward
body again from it, walks back through it, carries the cotangents of the states and adds up those of outer tensors.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.ir import Graph, Node, Tensor, Variable, is_float, replace_uses
from onnxpath.graph.query import downstream, upstream
from onnxpath.graph.subgraphs import captures
from onnxpath.rules.gradient.control import seeds


@dataclass
class Along:
    """How a tensor is cut into one slice per iteration: along which axis, and from its end if `flipped`."""

    axis: int = 0
    flipped: bool = False


@dataclass
class Steps:
    """The iterations of a Loop or Scan.

    node, body: of the forward part; states: their initial values; lead_in, lead_out: how many inputs and outputs of
    the body stand before the states; walked: a copy of the body, its inputs the body's and then one per slice;
    slices, taken: what is cut into slices for the iterations, and how; given: how each scan output is put together;
    trips: the number of iterations, int64 scalar.
    """

    node: Node
    body: gs.Graph
    states: list[Tensor]
    walked: gs.Graph
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


@dataclass
class Wanted:
    """What gradients are asked for: places of states and of slices, and outer tensors."""

    states: set[int]
    slices: list[int]
    outside: list[Tensor]


class Undone:
    """The body of the backward Loop while it is made.

    i: the backward iteration; t: the forward iteration that it undoes; go: that it goes on; entering, slices: stand
    for what entered that iteration; leaving, scans: what it computed, once more.
    """

    def __init__(self, op: Any, steps: Steps) -> None:
        self.op, self.steps = op, steps
        inner = self.inner = op.inside()
        self.i, self.go = inner.add_input(inner.name("i"), "int64", []), inner.add_input(inner.name("go"), "bool", [])
        self.t = inner.Sub(inner.Sub(steps.trips, 1), self.i)
        n = len(steps.states)
        self.entering = [self._place(b, s) for b, s in zip(steps.entering, steps.states, strict=True)]
        self.slices = [self._place(b, b) for b in steps.walked.inputs[steps.lead_in + n :]]
        given = dict(
            zip((b.name for b in steps.walked.inputs), [*self._lead(), *self.entering, *self.slices], strict=True)
        )
        outputs = [t.name for t in steps.walked.outputs]
        made = inner.inline(Graph(steps.walked), given, captures(steps.walked))
        self.leaving = [made[name] for name in outputs[steps.lead_out : steps.lead_out + n]]
        self.scans = [made[name] for name in outputs[steps.lead_out + n :]]

    def _place(self, inside: Tensor, outside: Tensor) -> Tensor:
        """Return what stands for an input of the body until it is known whether it is needed."""
        dtype = inside.dtype if inside.dtype is not None else outside.dtype
        return self.inner.add_input(self.inner.name(inside.name, self.op.role), dtype, inside.shape)

    def _lead(self) -> list[Tensor]:
        """Return what a Loop's body gets before its states: the iteration, and that it goes on."""
        values = [self.t, self.inner.const(True)][: self.steps.lead_in]
        return [
            self.inner.Reshape(value, [1]) if inside.shape is not None and len(inside.shape) == 1 else value
            for value, inside in zip(values, self.steps.body.inputs, strict=False)
        ]

    def slice_of(self, x: Tensor | None, how: Along) -> Tensor | None:
        """Return the slice of `x` that the iteration being undone took or gave."""
        return None if x is None else self.inner.Gather(x, self.i if how.flipped else self.t, axis=how.axis)

    def recall(self) -> None:
        """Read what entered the iteration, as far as it is needed."""
        steps, inner = self.steps, self.inner
        read = upstream(inner.graph, [t.name for t in inner.graph.outputs])
        needed = [k for k, place in enumerate(self.entering) if place.name in read]
        refuse_what_changes(steps, needed)
        for k in needed:
            kept = remember(self.op, steps, steps.entering[k])
            replace_uses(self.entering[k], inner.Gather(kept, self.t, axis=0))
        for place, x, how in zip(self.slices, steps.slices, steps.taken, strict=True):
            if place.name in read:
                replace_uses(place, self.slice_of(x, how))


def back_through(op, steps, dy, wanted):
    """Return the gradients that are wanted: of states by place, of slices by place, of outer tensors by name.

    dy: cotangents of the last states and of the scan outputs, None where none arrives. What has no gradient is left
    out.
    """
    n = len(steps.states)
    body = Undone(op, steps)
    inner = body.inner
    active = active_states(body, wanted, dy)
    refuse_what_changes(steps, active)
    carried = [
        inner.add_input(inner.name(t.name, op.role), t.dtype, t.shape) for t in (body.entering[k] for k in active)
    ]
    arriving = [body.slice_of(d, how) for d, how in zip(dy[n:], steps.given, strict=False)]
    ends = [*(body.leaving[k] for k in active), *body.scans]
    sources = [body.entering[k] for k in active] + [body.slices[k] for k in wanted.slices] + wanted.outside
    grads = inner.differentiate(seeds(inner, ends, [*carried, *arriving]), [t.name for t in sources])

    summed = [x for x in wanted.outside if x.name in grads]
    cut = [k for k in wanted.slices if body.slices[k].name in grads]
    sums = [inner.add_input(inner.name(x.name, "sum"), x.dtype, x.shape) for x in summed]
    inner.add_output(body.go, inner.name("go_on"))
    for k, d in zip(active, carried, strict=True):
        name = body.entering[k].name
        inner.add_output(grads[name] if name in grads else inner.zeros_like(d), inner.name(name, op.role))
    for x, so_far in zip(summed, sums, strict=True):
        inner.add_output(inner.Add(so_far, grads[x.name]), inner.name(x.name, op.role))
    for k in cut:
        inner.add_output(grads[body.slices[k].name], inner.name(body.slices[k].name, op.role))
    inner.graph.inputs[:] = [body.i, body.go, *carried, *sums]
    body.recall()

    first = [dy[k] if dy[k] is not None else op.zeros_like(steps.states[k]) for k in active]
    results = iter(
        op.control(
            "Loop",
            [steps.trips, op.const(True), *first, *(op.zeros_like(x) for x in summed)],
            [*(steps.states[k] for k in active), *summed, *(stack_like(body.slices[k]) for k in cut)],
            body=inner,
        )
    )
    by_state = {k: next(results) for k in active}
    by_outside = {x.name: next(results) for x in summed}
    by_slice = {k: unsliced(op, next(results), steps.slices[k], steps.taken[k]) for k in cut}
    return by_state, by_slice, by_outside


def stack_like(each):
    return Variable("", each.dtype, [None, *each.shape] if each.shape is not None else None)


def active_states(body, wanted, dy):
    """Return the places of the float states that depend on what is wanted and that a cotangent reaches."""
    graph, nodes = body.inner.graph, list(body.inner.graph.nodes)
    entering, leaving = body.entering, body.leaving
    roots = [t.name for t in wanted.outside] + [body.slices[k].name for k in wanted.slices]
    arriving = [t.name for t, d in zip(body.scans, dy[len(leaving) :], strict=False) if d is not None]

    def moved(places):
        reached = downstream(graph, [*roots, *(entering[k].name for k in places)], nodes=nodes)
        return {k for k, t in enumerate(leaving) if t.name in reached and is_float(t)}

    def hit(places):
        needed = upstream(graph, [*arriving, *(leaving[k].name for k in places)], nodes=nodes)
        return {k for k, t in enumerate(entering) if t.name in needed}

    given = {k for k in range(len(leaving)) if dy[k] is not None}
    return sorted(closure(wanted.states, moved) & closure(given, hit))


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
    grads.shape = [None if axis == how.axis else size for axis, size in enumerate(x.shape)]
    return grads
