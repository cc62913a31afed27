"""`onnxpath.report`: explain every input, keep what is finished, and write the page from what was kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from onnxpath.batch.explain import method_options
from onnxpath.batch.fit import check_attribution, check_one_source
from onnxpath.batch.labels import check_labels, classes_of
from onnxpath.batch.preprocess import Preprocess
from onnxpath.errors import JobError, all_of
from onnxpath.registry import as_names
from onnxpath.report.engines import ENGINES
from onnxpath.report.job.beside import is_large
from onnxpath.report.job.configuration import check_sizes, configuration, unit_size
from onnxpath.report.job.engine import Run
from onnxpath.report.job.finish import Reported, finish
from onnxpath.report.job.prepare import prepare
from onnxpath.report.job.store import Store
from onnxpath.report.job.units import Task
from onnxpath.runtime.model import Model

DEFAULT_METHODS = ("pathway-gradient", "gradient")


def report(
    model: Any,
    inputs: Sequence[Path | str],
    out: Path | str,
    *,
    methods: Sequence[str] = DEFAULT_METHODS,
    selector: str = "neuron-mct",
    sparsity: float | str = 0.9,
    scope: str = "global",
    seed: int = 0,
    steps: int | None = None,
    options: Sequence[str] = (),
    composite: str | None = None,
    target: int | None = None,
    output: str | None = None,
    preprocess: Path | Preprocess | None = None,
    tokenizer: Path | None = None,
    wrt: str | None = None,
    classes: Path | Sequence[str] | None = None,
    title: str | None = None,
    rules: str = "gradient",
    providers: str = "auto",
    precision: str = "float32",
    threads: int | None = None,
    unit: int | None = None,
    engine: str = "local",
    workers: int | None = None,
    address: str | None = None,
    command: str = "",
) -> Reported:
    """Explain every input into the folder `out`: report.html, report.json, raw arrays. Memory does not grow with them.

    Inputs are finished in units, and what is finished stays: the same call again, after whatever stopped this one,
    computes the rest, and the results are the bytes of a run that was never stopped (units/, arrays/, job.json).

    model: path, bytes, ModelProto or Model; inputs: files, folders, patterns and manifests; methods, options
    (NAME=VALUE each), selector, sparsity, scope, seed, steps, composite: as on the command line; target: entry to
    explain, default each input's largest; preprocess: file or Preprocess; classes: file or names; precision: see
    `load`; threads: of one operator, default one per core; unit: inputs that are finished together, default up to 64;
    engine: who explains, a name in ENGINES, with so many workers, on the cluster at address; command: how the run was
    started, for the page.
    Raises OnnxPathError with all that is wrong before the first input is read, and JobError where `out` cannot be
    written, another run writes there, or one with another configuration did.
    """
    clock = time.perf_counter()
    chosen = as_names(methods)
    by, *_ = all_of(
        lambda: ENGINES.get(engine)(workers, threads or (model.threads if isinstance(model, Model) else None), address),
        lambda: check_sizes(unit=unit, threads=threads, workers=workers),
    )
    job = prepare(
        model,
        [Path(path) for path in ([inputs] if isinstance(inputs, str | Path) else inputs)],
        Path(out),
        preprocess,
        providers,
        classes,
        output,
        rules,
        options=lambda: method_options(chosen, selector, sparsity, scope, steps, seed, composite, options),
        fits=lambda loaded: all_of(
            lambda: check_attribution(loaded, chosen, target, output), lambda: check_one_source(loaded)
        ),
        tokenizer=tokenizer,
        wrt=wrt,
        threads=threads,
        precision=precision,
    )
    check_labels(job.items, classes_of(job.model, output, job.classes))
    # Reading and writing go on beside the sessions, and need the cores that waiting threads would keep.
    job = replace(job, model=job.model.derived(threads=by.threads(job.model.provider), spinning=False))
    size = unit or unit_size(job.model)
    task = Task(job.preprocess, job.classes, job.options, target, output, size, is_large(job))
    store = Store(job.out, configuration(job, task, seed), len(job.items), size)
    try:
        loading = time.perf_counter() - clock
        by.explain(Run(job, model, task, store))
        return finish(job, store, target, output, title, command, loading)
    except JobError as error:
        done = sum(len(store.span(u)) for u in store.finished)
        raise JobError(
            f"{error}\n{done} of {len(job.items)} inputs are finished; the same command goes on from there"
        ) from error
    finally:
        store.close()
