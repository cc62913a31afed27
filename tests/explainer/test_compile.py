"""A compiled explanation: one file of standard operators that gives what `attribute` gives."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper

import onnxpath
from onnxpath.errors import InputError, ModelError, OnnxPathError, UnknownName, UnsupportedOperator
from onnxpath.graph.scope import every_node
from tests.explainer.elsewhere import LAYER, exportable, options_of, record
from tests.models import SAMPLES, mlp, parse, relative, sample, sample_images

EXPORTABLE = exportable()
SAME = 1e-5


def run(made, feeds):
    session = ort.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds), strict=True))


def compiled(name, method, **options):
    """Compile for a sample model, or skip where the method has no rule for it (which `attribute` refuses too)."""
    try:
        return onnxpath.compile(sample(name), method, **{**options_of(method, LAYER[name]), **options})
    except (UnsupportedOperator, ModelError):
        with pytest.raises(OnnxPathError):
            onnxpath.attribute(sample(name), sample_images()[:1], method=method, **options_of(method, LAYER[name]))
        pytest.skip(f"{method} refuses {name}")


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("method", EXPORTABLE)
def test_a_file_gives_what_attribute_gives(name, method):
    made = compiled(name, method)
    onnx.checker.check_model(made, full_check=True)
    assert {node.domain for node in every_node(made.graph)} <= {"", "ai.onnx"}
    loaded = onnxpath.load(sample(name), providers="cpu")
    for rows in (1, 3):
        x = sample_images()[:rows]
        values = run(made, {"image": x})
        wanted = onnxpath.attribute(loaded, x, method=method, **options_of(method, LAYER[name]))
        assert record(method, "python", relative(values["attribution"], wanted.values)) <= SAME
        assert relative(values["logits"], wanted.logits) <= SAME


@pytest.mark.parametrize("method", EXPORTABLE)
def test_a_file_that_asks_for_the_target(method):
    made = compiled("digits_cnn", method, target="input")
    x, target = sample_images()[:3], np.array([4, -1, 7])
    found = run(made, {"image": x, "target": target})["attribution"]
    loaded = onnxpath.load(sample("digits_cnn"), providers="cpu")
    predicted = onnxpath.attribute(loaded, x, method="gradient").prediction
    wanted = onnxpath.attribute(
        loaded, x, np.where(target < 0, predicted, target), method=method, **options_of(method, LAYER["digits_cnn"])
    )
    assert relative(found, wanted.values) <= SAME


@pytest.mark.parametrize("method", ["gradient", "pathway-gradient", "lrp"])
def test_a_file_for_one_class(method):
    x = sample_images()[:3]
    found = run(compiled("digits_resnet", method, target=2), {"image": x})["attribution"]
    wanted = onnxpath.attribute(sample("digits_resnet"), x, 2, method=method).values
    assert relative(found, wanted) <= SAME


@pytest.mark.parametrize("scope", ["global", "layer"])
@pytest.mark.parametrize("sparsity", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("name", SAMPLES)
def test_the_pathway_in_the_file(name, sparsity, scope):
    x = sample_images()[:4]
    values = run(onnxpath.compile(sample(name), sparsity=sparsity, scope=scope), {"image": x})
    pathways = onnxpath.critical_pathway(sample(name), x, sparsity=sparsity, scope=scope)
    np.testing.assert_array_equal(values["kept"], [[c.kept for c in p.layers] for p in pathways])
    np.testing.assert_allclose(values["density"], [p.density for p in pathways], rtol=1e-6)
    masked = [row[p.target] for row, p in zip(values["masked_logits"], pathways, strict=True)]
    np.testing.assert_allclose(masked, [p.masked.logit for p in pathways], rtol=1e-4, atol=1e-5)


def test_a_file_that_asks_for_the_sparsity():
    x, made = sample_images()[:2], onnxpath.compile(sample("digits_cnn"), sparsity="input")
    for sparsity in (0.0, 0.7, 0.99):
        values = run(made, {"image": x, "sparsity": np.array(sparsity, np.float32)})
        wanted = onnxpath.attribute(onnxpath.load(sample("digits_cnn"), providers="cpu"), x, sparsity=sparsity)
        np.testing.assert_array_equal(values["kept"], [[c.kept for c in p.layers] for p in wanted.pathways])
        assert relative(values["attribution"], wanted.values) <= SAME


@pytest.mark.parametrize("name", SAMPLES)
def test_integrated_contributions_in_the_file(name):
    x, options = sample_images()[:3], {"selector": "neuron-intgrad", "n_steps": 4, "sparsity": 0.8}
    made = onnxpath.compile(sample(name), **options)
    values = run(made, {"image": x})
    wanted = onnxpath.attribute(onnxpath.load(sample(name), providers="cpu"), x, **options)
    np.testing.assert_array_equal(values["kept"], [[c.kept for c in p.layers] for p in wanted.pathways])
    assert relative(values["attribution"], wanted.values) <= SAME
    # The weights are in the file once for the model and once for the masked network at most.
    assert made.ByteSize() <= 4 * sample(name).stat().st_size


def test_baselines_are_in_the_file():
    x, start = sample_images()[:2], np.full((1, 1, 16, 16), 0.25, np.float32)
    found = run(
        onnxpath.compile(sample("digits_cnn"), "integrated-gradients", baselines=start, n_steps=5), {"image": x}
    )
    wanted = onnxpath.attribute(sample("digits_cnn"), x, method="integrated-gradients", baselines=start, n_steps=5)
    assert relative(found["attribution"], wanted.values) <= SAME


@pytest.mark.parametrize(
    ("baselines", "text"),
    [
        (np.zeros((2, 1, 16, 16)), r"for one row of 'image' \[1, 1, 16, 16\]; \(2, 1, 16, 16\) was given"),
        (np.zeros((1, 1, 7, 7)), r"\(1, 1, 7, 7\) was given"),
        (np.zeros((3, 1, 1, 16, 16)), r"\(3, 1, 1, 16, 16\) was given"),
        (np.nan, "`baselines` of 'image' holds NaN or Inf"),
        ("grey", "`baselines` of 'image' must be numbers"),
    ],
)
def test_baselines_that_fit_no_row(baselines, text):
    with pytest.raises(InputError, match=text):
        onnxpath.compile(sample("digits_cnn"), "integrated-gradients", baselines=baselines)


def test_several_sources_have_several_maps():
    x = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    model = mlp()
    hidden = onnxpath.load(model).layers()[0].name
    source = onnxpath.load(model).inputs[0].name
    values = run(onnxpath.compile(model, "gradient", wrt=[source, hidden]), {source: x})
    wanted = onnxpath.attribute(model, x, method="gradient", wrt=[source, hidden]).maps
    for name, expected in wanted.items():
        assert relative(values[f"attribution_{name}"], expected) <= SAME


@pytest.mark.parametrize(("method", "opset"), [("gradient", 17), ("gradient", 22), ("pathway-gradient", 23)])
def test_another_opset(method, opset):
    made = onnxpath.compile(sample("digits_cnn"), method, opset=opset)
    assert [(o.domain, o.version) for o in made.opset_import] == [("", opset)]
    x = sample_images()[:2]
    wanted = onnxpath.attribute(sample("digits_cnn"), x, method=method).values
    assert relative(run(made, {"image": x})["attribution"], wanted) <= SAME


def test_opsets_of_other_domains():
    """scikit-learn's exporter names a domain twice; what no node is of goes, what one is of (labels) stays."""
    nodes = "s = ai.onnx.ml.Scaler<offset = [1.0, 1.0], scale = [2.0, 2.0]>(x); y = Relu(s)"
    labels = "a = ArgMax<axis = 1, keepdims = 0>(s); l = ai.onnx.ml.LabelEncoder<keys_int64s = [0, 1], "
    labels += 'values_strings = ["no", "yes"]>(a)'
    spelled = parse(f"m (float[n, 2] x) => (float[n, 2] y) {{ {nodes} }}")
    with_labels = parse(f"m (float[n, 2] x) => (float[n, 2] y, string[n] l) {{ {nodes}; {labels} }}")
    x = np.float32([[3, -1], [0, 2]])
    for model, others in ((spelled, []), (with_labels, [("ai.onnx.ml", 3)])):
        del model.opset_import[:]
        model.opset_import.extend(helper.make_opsetid(*o) for o in (("ai.onnx.ml", 3), ("", 22), ("", 22)))
        for opset, written in ((None, 22), (18, 18)):
            made = onnxpath.compile(model, "gradient", target=0, opset=opset)
            assert [(o.domain, o.version) for o in made.opset_import] == [("", written), *others]
            np.testing.assert_allclose(run(made, {"x": x})["attribution"], [[2, 0], [0, 0]])


def test_weights_of_a_loop_are_inside_it():
    made = onnxpath.compile(sample("digits_cnn"), "integrated-gradients", n_steps=3)
    (loop,) = (node for node in made.graph.node if node.op_type == "Loop")
    body = next(a.g for a in loop.attribute if a.name == "body")
    outside = {t.name for t in made.graph.initializer}
    assert not outside & {name for node in body.node for name in node.input} and len(body.initializer) > 8


def test_what_explained_it_is_in_the_metadata():
    made = onnxpath.compile(sample("digits_cnn"), "lrp", composite="epsilon-plus", target=3)
    facts = {p.key: p.value for p in made.metadata_props}
    assert facts["onnxpath.method"] == "lrp" and "'composite': 'epsilon-plus'" in facts["onnxpath.options"]
    assert facts["onnxpath.target"] == "3" and len(facts["onnxpath.model_sha256"]) == 64


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"method": "rise"}, UnknownName, r"'rise' needs the host(.|\n)*gradient, "),
        ({"method": "gradeint"}, UnknownName, "did you mean 'gradient'"),
        ({"method": "gradient", "target": "predicton"}, UnknownName, "did you mean 'prediction'"),
        ({"method": "gradient", "target": 10}, InputError, "target 10 is out of range"),
        ({"method": "gradient", "target": np.ones((1, 10), np.float32)}, InputError, "explains one entry"),
        ({"method": "gradient", "steps": 3}, UnknownName, "no option of method 'gradient' named 'steps'"),
        ({"method": "pathway-gradient", "selector": "random"}, UnknownName, "need the host"),
        ({"method": "pathway-gradient", "sparsity": 2}, InputError, "sparsity is the fraction"),
        ({"method": "gradient", "opset": 12}, ModelError, "at opsets 13 to 26, not at 12"),
    ],
)
def test_what_cannot_be_compiled(given, error, text):
    with pytest.raises(error, match=text):
        onnxpath.compile(sample("digits_cnn"), **given)


def test_operators_that_an_opset_does_not_have():
    model = parse("m (float[n, 4] x) => (float[n, 3] y) { y = Gather<axis = 1>(x, i) }", i=np.int64([0, 0, 3]))
    with pytest.raises(ModelError, match=r"at opset 15: ScatterND \(no attribute reduction there\)"):
        onnxpath.compile(model, "gradient", opset=15)


def test_a_name_that_the_model_has_already():
    model = onnx.load(sample("digits_cnn"))
    model.graph.node.append(onnx.helper.make_node("Identity", ["logits"], ["attribution"]))
    model.graph.output.append(onnx.helper.make_tensor_value_info("attribution", 1, ["N", 10]))
    with pytest.raises(UnknownName, match="has a tensor named 'attribution' already"):
        onnxpath.compile(model.SerializeToString(), "gradient")
