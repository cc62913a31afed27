"""Files as ONNX Runtime's optimizer and its transformer tools write them: the gradient is that of the file before."""

import logging
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest

from onnxpath import gradient_graph
from onnxpath.errors import UnsupportedOperator
from onnxpath.graph.canonize import load_graph
from onnxpath.graph.embeddings import beginnings
from tests.models import relative, run

pytestmark = pytest.mark.needs("torch")

HEADS, WIDTH = 4, 32
OPTIMISED = [
    ("Cnn", 17, {"FusedConv", "FusedGemm", "QuickGelu"}),
    ("Vit", 17, {"FusedMatMul", "BiasGelu"}),
    ("Vit", 14, {"FusedMatMul", "BiasGelu"}),
    ("Gpt", 17, {"FusedMatMul", "FastGelu"}),
    ("Bert", 17, {"FusedMatMul", "BiasGelu"}),
    ("Bert", 13, {"FusedMatMul", "Gelu"}),
]
NORMS = {"SkipLayerNormalization"}
TOOLED = [
    ("Bert", "bert", 17, {"Attention", "EmbedLayerNormalization", "BiasGelu"} | NORMS),
    ("Bert", "bert", 13, {"Attention", "EmbedLayerNormalization", "BiasGelu"} | NORMS),
    ("Bert", "bert as MultiHeadAttention", 17, {"MultiHeadAttention", "EmbedLayerNormalization"} | NORMS),
    ("Vit", "vit", 17, {"Attention", "BiasGelu"} | NORMS),
    ("Gpt", "gpt2", 17, {"FastGelu"} | NORMS),
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """f(network, opset) -> (path of the exported file, inputs by name), written once."""
    import torch

    from tests.graph import fused_networks

    folder, made = tmp_path_factory.mktemp("networks"), {}

    def write(name, opset):
        if (name, opset) not in made:
            torch.manual_seed(0)
            network, path = getattr(fused_networks, name)().eval(), folder / f"{name}_{opset}.onnx"
            inputs = network.inputs()
            axes = {key: {0: "n", 1: "t"} if x.ndim == 2 else {0: "n"} for key, x in zip(network.names, inputs)}  # noqa: B905
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the exporter's, about itself
                torch.onnx.export(
                    network, inputs, str(path), input_names=list(network.names), output_names=["y"],
                    dynamic_axes=axes, opset_version=opset, dynamo=False,
                )  # fmt: skip
            made[name, opset] = path, {key: x.numpy() for key, x in zip(network.names, inputs, strict=True)}
        return made[name, opset]

    return write


def optimised(path, level):
    """The file that ONNX Runtime saves at an optimisation level."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level}")
    target = path.with_name(f"{path.stem}_{level}.onnx")
    options.optimized_model_filepath = str(target)
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return target


def tooled(path, kind, narrow=False):
    """The file that onnxruntime.transformers.optimizer makes; narrow: in 16 bits."""
    kind, _, multi_head = kind.partition(" as ")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optimizer = pytest.importorskip("onnxruntime.transformers.optimizer")
        from onnxruntime.transformers.fusion_options import FusionOptions

        logging.getLogger("onnxruntime.transformers").setLevel(logging.ERROR)
        options = FusionOptions(kind)
        options.use_multi_head_attention = bool(multi_head)
        made = optimizer.optimize_model(
            str(path), model_type=kind, num_heads=HEADS, hidden_size=WIDTH, opt_level=0, optimization_options=options
        )
        if narrow:
            made.convert_float_to_float16(keep_io_types=True)
    target = path.with_name(f"{path.stem}_{kind}{bool(multi_head)}{narrow}.onnx")
    made.save_model_to_file(str(target))
    return target


def check(path, plain, feeds, fused):
    """The file holds these operators, its expansion gives its outputs, and its gradient is that of the plain file."""
    model = onnx.load(path)
    assert fused <= {node.op_type for node in model.graph.node if node.domain == "com.microsoft"}
    graph = load_graph(path)
    expected = run(model, feeds)["y"]
    np.testing.assert_allclose(run(graph.to_model(), feeds)["y"], expected, atol=1e-5)
    # What the tools fuse to one embedding is a sum in the plain file: there the gradients are those of the sum.
    first = beginnings(load_graph(plain)) if "EmbedLayerNormalization" not in fused else None
    cotangent = np.random.default_rng(1).normal(size=expected.shape).astype(np.float32)

    def gradient(source, wrt):
        values = run(gradient_graph(source, wrt=wrt), {**feeds, "grad_y": cotangent})
        return [values[f"grad_{name}"] for name in wrt]

    if first is not None:
        pairs = zip(gradient(path, first), gradient(plain, first), strict=True)
    else:
        norm = next(
            n.output[0] for n in onnx.load(plain).graph.node if "/norm/" in n.name and n.output[0].endswith(OUT)
        )
        pairs = zip(gradient(path, beginnings(graph)), gradient(plain, [norm]), strict=True)
    for found, wanted in pairs:
        assert np.abs(wanted).max() > 0
        assert relative(found, wanted) < 1e-5


OUT = ("LayerNormalization_output_0", "Add_1_output_0")


@pytest.mark.parametrize(("network", "opset", "fused"), OPTIMISED)
def test_optimised_by_onnx_runtime(written, network, opset, fused):
    plain, feeds = written(network, opset)
    check(optimised(plain, "EXTENDED"), plain, feeds, fused)


@pytest.mark.parametrize(("network", "kind", "opset", "fused"), TOOLED)
def test_optimised_by_the_transformer_tools(written, network, kind, opset, fused):
    plain, feeds = written(network, opset)
    check(tooled(plain, kind), plain, feeds, fused)


@pytest.mark.parametrize(("network", "kind"), [("Bert", "bert"), ("Vit", "vit"), ("Gpt", "gpt2")])
def test_optimised_in_16_bits(written, network, kind):
    plain, feeds = written(network, 17)
    wide, narrow = tooled(plain, kind), tooled(plain, kind, narrow=True)
    wrt = beginnings(load_graph(wide))
    values = []
    for path in (wide, narrow):
        model = gradient_graph(path, wrt=wrt)
        onnx.checker.check_model(model, full_check=True)
        shape = run(path, feeds)["y"].shape if path is wide else values[0]["y"].shape
        cotangent = np.random.default_rng(1).normal(size=shape).astype(np.float32)
        values.append(run(model, {**feeds, "grad_y": cotangent}))
    for name in ("y", *(f"grad_{name}" for name in wrt)):
        assert relative(values[1][name], values[0][name]) < 1e-2


def test_a_layout_of_one_machine_is_refused(written):
    """On CPUs without the nchwc kernels level ALL leaves the convolutions alone."""
    plain, feeds = written("Cnn", 17)
    path = optimised(plain, "ALL")
    if not any(node.domain == "com.microsoft.nchwc" for node in onnx.load(path).graph.node):
        pytest.skip("this CPU has no nchwc kernels")
    with pytest.raises(UnsupportedOperator, match=r"(?s)com.microsoft.nchwc::Conv .*optimisation level BASIC"):
        load_graph(path)
    check(optimised(plain, "BASIC"), plain, feeds, set())
