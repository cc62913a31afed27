"""One program, one session; values stay on the device between programs."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnxruntime as ort

from onnxpath.errors import InputError, ModelError, ProviderError
from onnxpath.graph.load import needs_external_data
from onnxpath.runtime.bfloat import BFLOAT16, from_bfloat16, to_bfloat16
from onnxpath.runtime.heap import give_back
from onnxpath.runtime.kernels import NOT_IMPLEMENTED, without_kernel
from onnxpath.runtime.program import Program
from onnxpath.runtime.providers import offers

Array: TypeAlias = np.ndarray[Any, Any]
Value: TypeAlias = "Array | ort.OrtValue"

LEVELS = {
    "all": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "none": ort.GraphOptimizationLevel.ORT_DISABLE_ALL,
}


def session_options(optimise: str = "all") -> ort.SessionOptions:
    """Return the options that every session of onnxpath uses."""
    options = ort.SessionOptions()
    options.graph_optimization_level = LEVELS[optimise]
    options.log_severity_level = 3
    # An idle session that spins slows the next one down: 4.2 ms read 18 to 24 beside it.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    # A planned block comes beside what the first run took: ResNet-18's gradient held 631 MiB, not 448, as fast.
    options.enable_mem_pattern = False
    _share_allocator()
    options.add_session_config_entry("session.use_env_allocators", "1")
    return options


@cache
def _share_allocator() -> None:
    """Let all sessions share one CPU arena: NeuronIntGrad's 26 on SqueezeNet then hold 0.8 GB instead of 2.2."""
    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(memory, None)


class Session:
    """An ONNX Runtime session of one program.

    model: the program, or only its model; provider: "cpu" | "cuda"; optimise: "all" | "basic" | "none"; threads: of one
    operator, None for ONNX Runtime's default, one per core; precision: of float32 products on CUDA, "float32" | "tf32";
    spinning: whether threads that wait for each other keep their cores, which takes less time and leaves less to other
    work. Raises
    ProviderError where the provider has no kernels for the program's dtypes, all named; ModelError with ONNX Runtime's
    words where the program does not load for another reason.
    """

    def __init__(
        self,
        model: Program | onnx.ModelProto,
        provider: str = "cpu",
        optimise: str = "all",
        threads: int | None = None,
        precision: str = "float32",
        spinning: bool = True,
    ) -> None:
        self.provider = provider
        program = model if isinstance(model, Program) else Program(model)
        model = program.model
        providers = offers(provider, precision)
        options = session_options(optimise)
        options.intra_op_num_threads = threads or 0
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
        self._lent = program.lend(options)
        try:
            if program.weights or not needs_external_data(model):
                self._session = ort.InferenceSession(model.SerializeToString(), options, providers=providers)
            else:
                with tempfile.TemporaryDirectory() as scratch:
                    path = Path(scratch) / "model.onnx"
                    onnx.save_model(model, path, save_as_external_data=True)
                    self._session = ort.InferenceSession(path, options, providers=providers)
        except Exception as error:
            # ONNX Runtime raises its own classes, one per status; all mean that the program was refused.
            lacking = without_kernel(model, session_options(), providers) if NOT_IMPLEMENTED in str(error) else ""
            if lacking:
                raise ProviderError(
                    f"the {provider.upper()} provider of ONNX Runtime has no kernel for {lacking}, so the program "
                    "cannot run there; convert the model, or these nodes between Casts, to float32 or float16"
                ) from error
            raise ModelError(f"ONNX Runtime does not load the program: {error}") from error
        # Kept for other providers to be tried, which it never is here.
        self._session._model_bytes = None
        # What opening took and left: with its gradient, ResNet-18 then holds 111 MiB, not 223.
        give_back()
        self.inputs = [i.name for i in self._session.get_inputs()]
        self.outputs = [o.name for o in self._session.get_outputs()]
        ends = [*self._session.get_inputs(), *self._session.get_outputs()]
        self._bfloats = {end.name for end in ends if end.type == BFLOAT16}

    def run(self, feeds: Mapping[str, Value], outputs: Sequence[str] | None = None) -> dict[str, Array]:
        """Run on arrays or device values; return arrays by output name. Feeds that are no input are left out.

        bfloat16 outputs come as float32 arrays, and any float array may be fed to a bfloat16 input.
        Raises InputError where ONNX Runtime fails: with other values or sizes the same session may well work.
        """
        names = list(outputs) if outputs is not None else self.outputs
        if self._bfloats or any(isinstance(v, ort.OrtValue) for v in feeds.values()):
            return {k: on_host(v) for k, v in self.run_on_device(feeds, names).items()}
        try:
            values = self._session.run(names, {k: feeds[k] for k in self.inputs if k in feeds})
        except Exception as error:
            raise InputError(f"ONNX Runtime failed on this input: {error}") from error
        return dict(zip(names, values, strict=True))

    def run_on_device(
        self, feeds: Mapping[str, Value], outputs: Sequence[str] | None = None
    ) -> dict[str, ort.OrtValue]:
        """Run with I/O binding; return device values by output name, for the next program to take."""
        names = list(outputs) if outputs is not None else self.outputs
        binding = self._session.io_binding()
        for name in self.inputs:
            if name in feeds:
                value = feeds[name]
                narrow = name in self._bfloats and not isinstance(value, ort.OrtValue)
                binding.bind_ortvalue_input(name, to_bfloat16(value) if narrow else self.to_device(value))
        for name in names:
            binding.bind_output(name, "cpu" if name in self._bfloats else self.provider)
        try:
            self._session.run_with_iobinding(binding)
        except Exception as error:
            raise InputError(f"ONNX Runtime failed on this input: {error}") from error
        return dict(zip(names, binding.get_outputs(), strict=True))

    def keep(self, feeds: Mapping[str, Value]) -> dict[str, Value]:
        """Run and leave the results where the session runs: arrays on the CPU, device values on CUDA."""
        return dict(self.run_on_device(feeds) if self.provider == "cuda" else self.run(feeds))

    def to_device(self, value: Value) -> ort.OrtValue:
        """Return the value where this session runs."""
        if isinstance(value, ort.OrtValue):
            return value
        return ort.OrtValue.ortvalue_from_numpy(np.asarray(value, order="C"), self.provider, 0)


def on_host(value: Value) -> Array:
    """Return a value as an array."""
    if not isinstance(value, ort.OrtValue):
        return value
    return from_bfloat16(value) if value.data_type() == BFLOAT16 else value.numpy()


def is_on_device(value: Value) -> bool:
    """True for a value that a program left on its device."""
    return isinstance(value, ort.OrtValue)
