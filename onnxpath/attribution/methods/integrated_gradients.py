"""Integrated gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onnxpath.attribution.registry import (
    Maps,
    begun_at_sources,
    change_from,
    gradients,
    like_sources,
    logits_of,
    method,
    on_line,
    total,
    wide,
)
from onnxpath.attribution.spelling import Spelling
from onnxpath.graph.emit import Emitter
from onnxpath.graph.ir import Tensor, onnx_dtype
from onnxpath.lowering.cast import in_dtype
from onnxpath.pathway.programs import GRAD
from onnxpath.pathway.quadrature import points
from onnxpath.progress import track
from onnxpath.runtime.model import Model
from onnxpath.runtime.session import Array
from onnxpath.runtime.targets import Target


def integrated_graph(
    spelling: Spelling,
    *,
    baselines: Any = None,
    n_steps: int = 50,
    quadrature: str = "gausslegendre",
    multiply_by_inputs: bool = True,
) -> dict[str, Tensor]:
    """Spell integrated gradients as one graph: a Loop over the steps, so that memory does not grow with them."""
    op, names = spelling.op, spelling.sources
    graph = spelling.setup.gradient_graph()
    alphas, weights = points(quadrature, n_steps)
    x = {name: spelling.graph.tensor(name) for name in names}
    starts = spelling.fed["baselines"]
    wide = {name: spelling.wide(x[name]) for name in names}
    zeros = [op.zeros_like(wide[name]) for name in names]
    fixed = {spelling.setup.kind: spelling.fixed_target}
    with op.serving(spelling.setup.logits, "path"):
        body = op.inside()
        step, going = body.add_input(op.name("step"), "int64", []), body.add_input(op.name("going"), "bool", [])
        totals = [body.add_input(op.name("total", name), wide[name].dtype, list(x[name].shape)) for name in names]
        between = {n: _between(body, starts[n], x[n], body.Gather(op.like(alphas, x[n]), step)) for n in names}
        found = spelling.run(graph, {**between, **fixed}, body)
        body.add_output(going, op.name("goes_on"))
        for name, before in zip(names, totals, strict=True):
            weight = body.Gather(op.like(weights, wide[name]), step)
            grad = in_dtype(body, found[GRAD + name], onnx_dtype(wide[name]))
            body.add_output(body.Add(before, body.Mul(weight, grad)), op.name("sum", name))
        sums = op.control("Loop", [op.const(n_steps), op.const(True), *zeros], zeros, body=body)
    maps = dict(zip(names, sums, strict=True))
    if not multiply_by_inputs:
        return maps
    return {name: op.Mul(op.Sub(wide[name], spelling.wide(starts[name])), mean) for name, mean in maps.items()}


def _between(op: Emitter, start: Tensor, x: Tensor, alpha: Tensor) -> Tensor:
    made: Tensor = op.Add(start, op.Mul(alpha, op.Sub(x, start)))
    return made


@method("integrated-gradients", spell=integrated_graph, per_row=["baselines"])
def integrated_gradients(
    model: Model,
    feeds: Mapping[str, Array],
    target: Target,
    *,
    baselines: Any = None,
    n_steps: int = 50,
    quadrature: str = "gausslegendre",
    multiply_by_inputs: bool = True,
) -> Maps:
    """Return (x - x') · mean gradient on the straight line from x' to x (Sundararajan et al., 2017).

    baselines: x', a scalar, an array that broadcasts to the input (or the embedding), or a dict by name; default 0 in
    the model's input space. n_steps: points; quadrature: what Captum calls method, or "midpoint" | "trapezoid";
    multiply_by_inputs: False leaves out (x - x'). Steps are added up as they come, so memory does not grow with
    n_steps. The convergence delta is sum(map) - (F(x) - F(x')).
    Raises InputError, UnknownName: baselines that fit no input, no quadrature of that name.
    """
    model, feeds = begun_at_sources(model, feeds, target)
    start = like_sources(model, feeds, "baselines", baselines)
    logits = logits_of(model, feeds, target)
    fixed = target.fixed(logits)
    mean = {name: np.zeros(feeds[name].shape, np.float64) for name in start}
    steps = list(zip(*points(quadrature, n_steps), strict=True))
    for alpha, weight in track(steps, "integrated gradients"):
        for name, grad in gradients(model, {**feeds, **on_line(start, feeds, alpha)}, fixed).maps.items():
            mean[name] += weight * grad
    if not multiply_by_inputs:
        return Maps({name: m.astype(wide(feeds[name]).dtype) for name, m in mean.items()}, logits)
    maps = {name: (wide(feeds[name]) - x0) * mean[name] for name, x0 in start.items()}
    delta = total(maps) - change_from(model, feeds, start, target, logits)
    return Maps({name: m.astype(wide(feeds[name]).dtype) for name, m in maps.items()}, logits, delta)
