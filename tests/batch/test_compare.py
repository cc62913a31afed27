"""onnxpath.compare on models whose differences are known."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import onnxpath
from onnxpath.batch.comparable import fitting, is_quantised
from onnxpath.batch.matching import linear_nodes
from onnxpath.errors import InputError, UnknownName
from tests.formats import quantised
from tests.models import cosine, mlp, parse, run, sample, sample_images

CNN = sample("digits_cnn")


def changed(path, name, factor):
    """A copy of a model with one initializer scaled."""
    model = onnx.load(path)
    tensor = next(t for t in model.graph.initializer if t.name == name)
    tensor.CopyFrom(numpy_helper.from_array((numpy_helper.to_array(tensor) * factor).astype(np.float32), name))
    return model


def renamed(path):
    """The same network as another exporter would name it."""
    model = onnx.load(path)
    names = {t: f"t{i}" for i, t in enumerate(t for n in model.graph.node for t in n.output)}
    names |= {i.name: "picture" for i in model.graph.input} | {o.name: "scores" for o in model.graph.output}
    for node in model.graph.node:
        node.name += "_again"
        for field in (node.input, node.output):
            field[:] = [names.get(name, name) for name in field]
    for value in (*model.graph.input, *model.graph.output):
        value.name = names[value.name]
    del model.graph.value_info[:]
    return model


def test_a_model_is_like_itself():
    x = sample_images()
    found = onnxpath.compare(CNN, CNN, x)
    assert found.agreement == 1 and found.overlap == 1 and found.first_diverging is None and not found.changed
    assert all(row.logits == 0 and set(row.differences) == {0.0} for row in found.inputs)
    assert all(m.cosine == pytest.approx(1) and m.spearman == pytest.approx(1) for m in found.maps())
    assert [p.by for p in found.pairs] == ["name"] * 4 and len(found.inputs) == 12


def test_another_exporters_names():
    found = onnxpath.compare(CNN, renamed(CNN), sample_images())
    assert [p.by for p in found.pairs] == ["order and shape"] * 4 and found.left_one == found.left_other == ()
    assert found.agreement == 1 and found.overlap == 1 and found.first_diverging is None
    assert "layers: 0 matched by name, 4 by order and shape" in found.notes


def test_the_first_layer_that_a_change_reaches_is_named():
    """Scaling the weights of the third convolution leaves the layers before it as they are."""
    initializers = [t.name for t in onnx.load(CNN).graph.initializer]
    weight = [n for n in initializers if n.endswith("weight")][2]
    model = changed(CNN, weight, 1.5)
    found = onnxpath.compare(CNN, model, sample_images(), methods=["gradient"])
    first = found.first_diverging
    assert [s.difference == 0 for s in found.layers()] == [True, True, False, False]
    assert first.pair == found.pairs[2]
    graph = onnxpath.load(CNN).graph
    (node,) = first.pair.nodes
    made = next(n for n in graph.nodes if n.name == node)
    assert made.inputs[1].name == weight
    assert onnxpath.compare(CNN, model, sample_images(), methods=["gradient"], threshold=2.0).first_diverging is None


def test_differences_are_those_of_onnx_runtime():
    model = changed(CNN, "conv1.weight", 1.1)
    x = sample_images()
    found = onnxpath.compare(CNN, model, x)
    for index, pair in enumerate(found.pairs):
        a, b = (run(onnxpath.expose(m, [pair.one]), {"image": x}, outputs=[pair.one])[pair.one] for m in (CNN, model))
        for row, p, q in zip(found.inputs, a, b, strict=True):
            wanted = np.linalg.norm(p - q) / max(np.linalg.norm(p), np.linalg.norm(q))
            assert row.differences[index] == pytest.approx(wanted, rel=1e-3)


def test_both_are_asked_about_what_the_first_predicts():
    model = changed(CNN, [t.name for t in onnx.load(CNN).graph.initializer if t.name.endswith("weight")][-1], -1)
    x = sample_images()
    found = onnxpath.compare(CNN, model, x, methods=["gradient"])
    assert found.agreement < 0.5 and all(row.same_target for row in found.inputs)
    maps = [onnxpath.attribute(m, x, [r.one.target for r in found.inputs], "gradient").values for m in (CNN, model)]
    for row, a, b in zip(found.inputs, *maps, strict=True):
        assert row.one.target == row.one.prediction
        assert row.maps["gradient"].cosine == pytest.approx(cosine(a, b), abs=1e-4)
    assert onnxpath.compare(CNN, model, x[:2], target=3).inputs[0].other.target == 3
    assert [r.one.target for r in onnxpath.compare(CNN, model, x[:3], target=[1, 2, 3]).inputs] == [1, 2, 3]


def test_targets_in_an_output_of_higher_rank():
    model = parse(
        "m (float[n, 3, 4] x) => (float[n, 3, 4] y) { r = Relu(x); s = Add(r, r); t = Relu(s); y = Add(t, t) }"
    )
    one, x = onnxpath.load(model, memory=1), np.random.default_rng(0).random((5, 3, 4), np.float32)
    for target in ((1, 2), [(1, 2)] * 5, 6):
        found = onnxpath.compare(one, model, x, target=target, methods=["gradient"])
        assert [(row.one.target, row.other.target) for row in found.inputs] == [(6, 6)] * 5
    with pytest.raises(InputError, match="not a cotangent"):
        onnxpath.compare(one, model, x, target=np.ones((5, 3, 4), np.float32))


def test_a_quantised_model_gets_the_rules_that_it_needs(tmp_path):
    x = sample_images()
    file = quantised(CNN, tmp_path, x)
    assert fitting(file).rules.name == "straight-through" and fitting(CNN).rules.name == "gradient"
    assert fitting(onnxpath.load(file)).rules.name == "straight-through" and is_quantised(fitting(file))
    found = onnxpath.compare(CNN, file, x)
    assert any("other: rules 'straight-through'" in note for note in found.notes)
    assert len(found.pairs) == 4 and found.agreement == 1 and 0.8 < found.overlap < 1
    assert 0 < max(s.difference for s in found.layers()) < 0.1
    both = onnxpath.compare(file, CNN, x)
    assert any("one: rules 'straight-through'" in note for note in both.notes)


def test_several_inputs_under_other_names():
    text = "m (float[n, 3] {a}, float[n, 4] {b}) => (float[n, 2] y) {{ p = Gemm({a}, W); q = Gemm({b}, V);"
    text += " s = Add(p, q); r = Relu(s); y = Gemm(r, U) }}"
    rng = np.random.default_rng(0)
    weights = {"W": rng.normal(size=(3, 5)), "V": rng.normal(size=(4, 5)), "U": rng.normal(size=(5, 2))}
    weights = {k: v.astype(np.float32) for k, v in weights.items()}
    one, other = (parse(text.format(a=a, b=b), **weights) for a, b in (("left", "right"), ("u", "v")))
    x = {"left": rng.normal(size=(6, 3)).astype(np.float32), "right": rng.normal(size=(6, 4)).astype(np.float32)}
    found = onnxpath.compare(one, other, x, sparsity=0.5)
    assert found.agreement == 1 and found.overlap == 1 and found.maps()[0].cosine == pytest.approx(1)


def test_batches_change_nothing():
    x = sample_images()
    model = changed(CNN, "conv1.weight", 1.1)
    whole = onnxpath.compare(CNN, model, x)
    small = onnxpath.compare(onnxpath.load(CNN, memory=1), model, x)
    for a, b in zip(whole.inputs, small.inputs, strict=True):
        assert a.name == b.name and a.overlap == pytest.approx(b.overlap, abs=0.02)
        np.testing.assert_allclose(a.differences, b.differences, atol=1e-5)


def test_a_rule_for_the_sparsity_is_searched_once_and_used_for_both():
    x, model = sample_images(), changed(CNN, "conv1.weight", 1.1)
    rule = "softmax-change<=0.15"
    (first, *_) = onnxpath.critical_pathway(CNN, x, sparsity=rule)
    found = onnxpath.compare(CNN, model, x, sparsity=rule)
    same = onnxpath.compare(CNN, model, x, sparsity=first.sparsity)
    assert [row.overlap for row in found.inputs] == pytest.approx([row.overlap for row in same.inputs], abs=1e-3)
    assert [r.maps["pathway-gradient"].cosine for r in found.inputs] == pytest.approx(
        [r.maps["pathway-gradient"].cosine for r in same.inputs], abs=1e-3
    )
    assert any("sparsity by 'softmax-change<=0.15': searched in one" in note for note in found.notes)


def test_nodes_between_layers():
    graph = onnxpath.load(mlp()).graph
    names = [n.name for n in onnxpath.load(mlp()).layers()]
    gemms = [n.name for n in graph.nodes if n.op == "Gemm"]
    assert [linear_nodes(graph, name, set(names)) for name in names] == [[gemms[0]], [gemms[1]]]


def test_models_that_cannot_be_compared():
    with pytest.raises(InputError, match=r"different inputs.*'x' N×6 float32 against 'x' N×7"):
        onnxpath.compare(mlp(), mlp(widths=(7, 8, 5, 3)), np.ones((1, 6), np.float32))
    with pytest.raises(InputError, match="different outputs: rows of 3 against 4 entries"):
        onnxpath.compare(mlp(), mlp(widths=(6, 8, 5, 4)), np.ones((1, 6), np.float32))
    with pytest.raises(InputError, match="threshold is a relative difference"):
        onnxpath.compare(mlp(), mlp(), np.ones((1, 6), np.float32), threshold=0)
    with pytest.raises(UnknownName, match="did you mean 'gradient'"):
        onnxpath.compare(mlp(), mlp(), np.ones((1, 6), np.float32), methods=["gradent"])
