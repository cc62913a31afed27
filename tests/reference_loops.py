"""Loop and Scan as the standard defines them: onnx.reference joins scan outputs instead of stacking them, and lacks
axes, directions and loops of no iteration."""

from __future__ import annotations

import numpy as np
from onnx.reference.op_run import OpRun


class Loop(OpRun):
    op_domain = ""

    def need_context(self):
        return True

    def _run(self, trips, go, *states, context=None, body=None, **others):
        names, states, rows = self.body.input_names, list(states), []
        step = 0
        while (trips is None or step < int(trips.item())) and (go is None or bool(go.item())):
            fed = dict(zip(names, [np.int64(step), np.asarray(True), *states], strict=True))
            go, *results = self._run_body({**(context or {}), **fed})
            states, step = results[: len(states)], step + 1
            rows.append(results[len(states) :])
        kept = len(self.body.output_names) - 1 - len(states)
        shapes = [[d.dim_value for d in o.type.tensor_type.shape.dim] for o in self.body.proto_.output[-kept:]]
        scans = (
            [np.stack(column) for column in zip(*rows, strict=True)] if rows else [np.zeros([0, *s]) for s in shapes]
        )
        return (*states, *(scans if kept else ()))[: len(self.onnx_node.output)]


class Scan(OpRun):
    op_domain = ""

    def need_context(self):
        return True

    def _run(self, *inputs, context=None, body=None, num_scan_inputs=None, scan_input_axes=None,
             scan_input_directions=None, scan_output_axes=None, scan_output_directions=None, **others):  # fmt: skip
        count = len(inputs) - num_scan_inputs
        states, stacks = list(inputs[:count]), inputs[count:]
        stacks = [np.moveaxis(x, axis, 0) for x, axis in zip(stacks, scan_input_axes or [0] * len(stacks), strict=True)]
        turned = scan_input_directions or [0] * len(stacks)
        stacks = [x[::-1] if turn else x for x, turn in zip(stacks, turned, strict=True)]
        rows = []
        for slices in zip(*stacks, strict=True):
            fed = dict(zip(self.body.input_names, [*states, *slices], strict=True))
            results = self._run_body({**(context or {}), **fed})
            states = results[:count]
            rows.append(results[count:])
        columns = [np.stack(column) for column in zip(*rows, strict=True)]
        turned = scan_output_directions or [0] * len(columns)
        columns = [x[::-1] if turn else x for x, turn in zip(columns, turned, strict=True)]
        axes = scan_output_axes or [0] * len(columns)
        return (*states, *(np.moveaxis(x, 0, axis) for x, axis in zip(columns, axes, strict=True)))
