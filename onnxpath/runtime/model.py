"""The loaded model: its graph, its facts, and the sessions of the programs made from it."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from onnxpath.backward.blocked import estimates
from onnxpath.backward.target import Readout, readout
from onnxpath.graph.canonize import load_graph
from onnxpath.graph.embeddings import beginnings, default_sources, named_sources
from onnxpath.graph.ir import Constant, Graph, is_float, numpy_dtype, onnx_dtype
from onnxpath.graph.neurons import NeuronLayer, neuron_layers
from onnxpath.graph.quantised import is_quantised_weight
from onnxpath.graph.query import between
from onnxpath.graph.surgery import begin_at
from onnxpath.registry import as_names
from onnxpath.rules.gradient import gradient
from onnxpath.rules.relevance import any_rule_set, relevance_sets
from onnxpath.rules.relevance.roles import relevance_roles
from onnxpath.rules.ruleset import RuleSet
from onnxpath.rules.variants import rule_set
from onnxpath.runtime.feeds import TensorInfo, checked_feeds, info_of, of_rows, rows_of
from onnxpath.runtime.program import Program, as_program, hold_weights
from onnxpath.runtime.providers import precision_on, resolve
from onnxpath.runtime.rows import freed, why_row_by_row
from onnxpath.runtime.session import Array, Session
from onnxpath.shown import Shown, plural

MEMORY = 1 << 30
"""Default budget in bytes for what one run of a program holds."""

MOST_ROWS = 256

ONE_BY_ONE = "rows are run one by one"
"""How the note begins that says why."""


def load(
    source: Any,
    providers: str = "auto",
    memory: int = MEMORY,
    rules: str = gradient.name,
    wrt: Sequence[str] | None = None,
    threads: int | None = None,
    precision: str = "float32",
) -> Model:
    """Load a model for explaining.

    source: path, bytes, ModelProto or Graph; providers: "auto" (CUDA where it is to be had, else CPU) | "cpu" |
    "cuda"; memory: bytes that one run may hold, which sets how many rows go together; rules: what goes backwards in
    every program of the model, "gradient" | "straight-through" (an estimate for quantised models, named in every
    result); wrt: names of float tensors that attribution is about, inputs or computed ones whose first axis counts
    rows, default the float inputs; without one the only embedding of token ids, or what other integers (pixels) are
    cast to; threads: of one operator on the CPU, default one per core; precision: of float32 products on CUDA,
    "float32" | "tf32" (factors rounded to 10 bits, named in every result), on the CPU always "float32". A Model is
    returned as it is, or with another `wrt`. Raises ModelError, UnsupportedOperator, ProviderError, UnknownName.
    """
    if isinstance(source, Model):
        same = wrt is None or as_names(wrt) == source.wrt
        return source if same else source.about(wrt)
    table = rule_set(rules)
    provider = resolve(providers)
    precision = precision_on(provider, precision)
    path = Path(source) if isinstance(source, (str, os.PathLike)) else None
    graph = source if isinstance(source, Graph) else freed(load_graph(source), provider)
    graph.notes += [note for note in estimates(graph, table) if note not in graph.notes]
    return Model(graph, provider, path, memory, table, wrt, threads, precision)


class Model(Shown):
    """A canonized graph with its sessions.

    graph: the canonized graph, never changed; provider: "cpu" | "cuda"; path: the file, None for bytes and protos;
    rules: what goes backwards in its programs; wrt: what attribution is about, None for the default; threads: of one
    operator, None for the default; precision: of float32 products, "float32" | "tf32"; spinning: see `Session`.
    """

    def __init__(
        self,
        graph: Graph,
        provider: str,
        path: Path | None = None,
        memory: int = MEMORY,
        rules: RuleSet = gradient,
        wrt: Sequence[str] | None = None,
        threads: int | None = None,
        precision: str = "float32",
        spinning: bool = True,
    ) -> None:
        self.graph = graph
        self.provider = provider
        self.path = path
        self.memory = memory
        self.rules = rules
        self.threads = threads
        self.precision = precision
        self.spinning = spinning
        self.wrt = None if wrt is None else named_sources(graph, wrt)
        self._together: bool | None = None
        self._sessions: dict[Hashable, Session] = {}
        self._later: dict[tuple[str, ...], Model] = {}

    def __repr__(self) -> str:
        named = self.path.name if self.path else "in memory"
        nodes = len(self.graph.nodes)
        return f"Model({named!r}, {nodes} {plural('node', nodes)}, on {self.provider})"

    @cached_property
    def inputs(self) -> list[TensorInfo]:
        """The model's inputs, in order."""
        return [info_of(t) for t in self.graph.inputs]

    @cached_property
    def outputs(self) -> list[TensorInfo]:
        """The model's outputs, in order."""
        return [info_of(t) for t in self.graph.outputs]

    @cached_property
    def sha256(self) -> str | None:
        """Hash of the file, None where the model did not come from one."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest() if self.path else None

    @property
    def ir_version(self) -> int:
        """IR version of the file."""
        return self.graph.ir_version

    @property
    def opset(self) -> int:
        """Opset of the file; the canonized graph's may be newer."""
        return self.graph.file_opset

    @cached_property
    def parameters(self) -> int:
        """Number of float and quantised weights."""
        constants = (t for t in self.graph.tensors().values() if isinstance(t, Constant))
        return sum(math.prod(t.shape) for t in constants if is_float(t) or is_quantised_weight(t))

    def readout(self, output: str | None = None) -> Readout:
        """Return the tensor whose entries are targets: a float output, or the logits before its Softmax."""
        return readout(self.graph, output)

    def layers(self, output: str | None = None) -> list[NeuronLayer]:
        """Return the neuron layers on the way to an output (default the first), in order."""
        return self.neurons(output)[0]

    def neurons(self, output: str | None = None) -> tuple[list[NeuronLayer], dict[str, str]]:
        """Return the neuron layers, and the activations left out with the reason."""
        return neuron_layers(self.graph, self.readout(output).name)

    @cached_property
    def sources(self) -> list[str]:
        """The tensors that attribution is about: `wrt`, the float inputs, the only embedding or the casts of integers.

        Raises ModelError where the model has none of these, or several embeddings.
        """
        return default_sources(self.graph, scalars=False) if self.wrt is None else self.wrt

    def about(self, wrt: Sequence[str] | None) -> Model:
        """Return the model with another `wrt`, None for the default."""
        return self.derived(wrt=wrt)

    def derived(self, **changes: Any) -> Model:
        """Return a Model with this one's settings but for `changes`, by the names of the constructor's arguments."""
        kept = ("graph", "provider", "path", "memory", "rules", "wrt", "threads", "precision", "spinning")
        return Model(**{name: getattr(self, name) for name in kept} | changes)

    def beginning_at(self, names: Sequence[str]) -> Model:
        """Return the model in which computed tensors are inputs, beside its own; made when first asked for."""
        key = tuple(names)
        if key not in self._later:
            graph = begin_at(self.graph, names)
            self._later[key] = self.derived(graph=graph, path=None, wrt=self.sources)
        return self._later[key]

    @property
    def named_rules(self) -> dict[str, str]:
        """The option that names the rule set in results; empty for exact gradients."""
        return {} if self.rules is gradient else {"rules": self.rules.name}

    @property
    def named_settings(self) -> dict[str, str]:
        """The options that name in results what is not exact: the rule set, and the precision where it is reduced."""
        return {**self.named_rules, **({} if self.precision == "float32" else {"precision": self.precision})}

    def coverage(self, rules: str | None = None, output: str | None = None) -> dict[str, dict[str, list[str]]]:
        """Return kind -> operator -> node names, between the inputs and an output.

        kind: "exact" | "zero" | "straight-through" | "missing"; rules: name of a rule set, of relevance too, default
        the model's.
        """
        roots, goal = self.wrt or beginnings(self.graph), self.readout(output).name
        table_of = any_rule_set(rules) if rules is not None else self.rules
        if rules in relevance_sets():
            table_of = table_of.on(relevance_roles(self.graph, roots, goal))
        path = between(self.graph, roots, [goal])
        zero = table_of.zeros(path)
        open_path = {n.name for n in between(self.graph, roots, [goal], zero)}
        path = [n for n in path if n.name in zero or n.name in open_path]
        table: dict[str, dict[str, list[str]]] = {}
        for kind, nodes in table_of.coverage(path, roots).items():
            table[kind] = {}
            for node in nodes:
                table[kind].setdefault(node.op, []).append(node.name)
        return table

    def session(self, key: Hashable, build: Callable[[], Program | onnx.ModelProto], keep: bool = True) -> Session:
        """Return the session of a program, building it when first asked for; keep=False forgets it after use."""
        if key in self._sessions:
            return self._sessions[key]
        hold_weights(self.graph)
        session = Session(build(), self.provider, "all", self.threads, self.precision, self.spinning)
        if keep:
            self._sessions[key] = session
        return session

    def program(self) -> Program:
        """Return the model itself as a session opens it."""
        return as_program(self.graph, self.provider)

    def require_kernels(self) -> None:
        """Raise ProviderError, which names them, where the provider has no kernels for dtypes in the model."""
        dtypes = {onnx_dtype(t) for node in self.graph.nodes for t in node.outputs}
        # Where all is float32 there is a kernel for everything, and a session less to open.
        if dtypes & {onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE}:
            self.session("model", self.program)

    def feeds(self, x: Any) -> dict[str, Array]:
        """Return inputs by name, checked: names, dtypes, ranks, sizes, equal rows, no NaN or Inf.

        x: an array for a model with one input, a list in input order, or a dict by name; a scalar input is one for all
        rows. Raises InputError that lists everything that does not fit.
        """
        return checked_feeds(self.graph.inputs, x)

    def batches(self, feeds: Mapping[str, Array]) -> Iterator[tuple[dict[str, Array], slice]]:
        """Cut feeds into runs that fit the memory budget; a model with a fixed batch gets exactly that many rows.

        Yields (feeds of a run, which rows they are). A last run that is too short for a fixed batch is filled up with
        its last row; results beyond the slice's length are to be dropped.
        """
        total = rows_of(feeds)
        size = self.rows_per_run(feeds)
        fixed = self.fixed_rows
        for start in range(0, total, size):
            stop = min(start + size, total)
            rows: slice | Array = slice(start, stop)
            if fixed and stop - start < fixed:  # a last run that is too short repeats its last row
                rows = np.minimum(np.arange(start, start + fixed), stop - 1)
            yield of_rows(feeds, rows), slice(start, stop)

    def rows_per_run(self, feeds: Mapping[str, Array]) -> int:
        """Return how many rows of such inputs one run takes.

        The fixed batch, one where the model mixes rows (found out on the first batch, and noted in `graph.notes`), else
        what the memory budget allows.
        """
        if self.fixed_rows:
            return self.fixed_rows
        if rows_of(feeds) > 1 and not self._rows_together(feeds):
            return 1
        return min(MOST_ROWS, max(1, self.memory // max(1, self._row_bytes(feeds))))

    def _rows_together(self, feeds: Mapping[str, Array]) -> bool:
        if self._together is None:
            session = self.session("model", self.program)
            reason = why_row_by_row(self.graph, session, feeds)
            self._together = reason is None
            if reason is not None:
                self.graph.notes.append(f"{ONE_BY_ONE}: {reason}")
        return self._together

    @cached_property
    def fixed_rows(self) -> int | None:
        """The batch size that the file fixes, None where it is symbolic."""
        shapes = [t.shape for t in self.graph.inputs if t.shape]
        sizes = {s[0] for s in shapes if isinstance(s[0], int)}
        return int(sizes.pop()) if len(sizes) == 1 else None

    def _row_bytes(self, feeds: Mapping[str, Array]) -> int:
        """Bytes of one row of all activations, twice: what a pathway gradient holds, measured 1.3 to 1.9 times."""
        sizes: dict[str, int] = {}
        for tensor in self.graph.inputs:
            if tensor.name in feeds and tensor.shape is not None:
                named = zip(tensor.shape, feeds[tensor.name].shape, strict=False)
                sizes |= {d: n for d, n in named if isinstance(d, str)}
        sizes |= {t.shape[0]: 1 for t in self.graph.inputs if t.shape}
        total = 0
        for tensor in (t for node in self.graph.nodes for t in node.outputs):
            # A size may be a product, of rows and heads for one: "8*N".
            factors = [f for d in tensor.shape or [] for f in str(d).split("*")]
            values = math.prod(int(f) if f.isdigit() else sizes.get(f, 1) for f in factors)
            total += values * (numpy_dtype(tensor).itemsize if onnx_dtype(tensor) else 4)
        return 2 * total
