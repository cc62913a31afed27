"""One program in a process of its own: waits blocked on a pipe, runs once for every line, answers in seconds.

An idle session beside it must not spin, so the parent never runs anything itself.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort

from onnxpath.pathway.programs import Setup
from onnxpath.pathway.trace import trace
from onnxpath.runtime import session
from onnxpath.runtime.model import load
from onnxpath.runtime.targets import resolve_target

PROGRAMS = ("forward", "gradient", "pathway")


def options(threads: int) -> ort.SessionOptions:
    """The session options of every program here, plain forward included."""
    made = session.session_options()
    made.intra_op_num_threads = threads
    return made


def prepare(program: str, path: str, batch: int, threads: int) -> Callable[[], object]:
    """Return a function that runs the program once: the file as ONNX Runtime runs it, or what `attribute` runs."""
    x, *_ = onnx.load(path, load_external_data=False).graph.input
    shape = [batch, *(d.dim_value for d in x.type.tensor_type.shape.dim[1:])]
    image = np.random.default_rng(0).standard_normal(shape, np.float32)
    if program == "forward":
        plain = ort.InferenceSession(path, options(threads), providers=["CPUExecutionProvider"])
        return lambda: plain.run(None, {x.name: image})
    model = load(path, providers="cpu", threads=threads)
    feeds = model.feeds(image)
    target = resolve_target(model, None, len(image))
    if program == "pathway":
        return lambda: list(trace(model, feeds, target, "neuron-mct", 0.9, with_gradient=True, activity=False))
    gradient = Setup.of(model, target, layers=()).gradient()
    return lambda: gradient.run({**feeds, **target.feed(slice(None))})


def main() -> None:
    """Serve; arguments: program, model file, batch, threads."""
    program, path, batch, threads = sys.argv[1:]
    # The pipe is ours alone: whatever a library prints goes to stderr.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    run = prepare(program, path, int(batch), int(threads))
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        print(time.perf_counter() - start, file=answers, flush=True)


if __name__ == "__main__":
    main()
