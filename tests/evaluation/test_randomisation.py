"""Sanity checks: what is randomised, that it is reproducible, and that maps which know the network change."""

import numpy as np
import onnx
import pytest

from onnxpath.errors import ModelError, UnknownName
from onnxpath.evaluation.baselines import BASELINES
from onnxpath.evaluation.explanation import by_method
from onnxpath.evaluation.metrics import METRICS
from onnxpath.evaluation.metrics.randomisation import spread
from onnxpath.evaluation.randomise import DRAWS, parameter_layers, randomised
from onnxpath.evaluation.similarity import similarities
from onnxpath.evaluation.subject import Subject
from onnxpath.graph.ir import array_of
from onnxpath.runtime.model import load
from tests.models import mlp, parse, sample, sample_images


def weights(model):
    return {name: array_of(t) for name, t in model.graph.tensors().items() if type(t).__name__ == "Constant"}


def test_layers_go_from_output_to_input():
    model = load(mlp())
    layers = parameter_layers(model.graph)
    assert [set(layer.tensors) for layer in layers] == [{"W2", "b2"}, {"W1", "b1"}, {"W0", "b0"}]


@pytest.mark.parametrize("how", DRAWS)
def test_only_the_named_layers_change_and_draws_are_reproducible(how):
    model = load(mlp(widths=(6, 40, 30, 9)))
    layers = parameter_layers(model.graph)
    before = {name: array.copy() for name, array in weights(model).items()}
    once, again = (weights(randomised(model, layers[:2], how, 7)) for _ in range(2))
    other = weights(randomised(model, layers[:2], how, 8))
    for name, array in before.items():
        assert np.array_equal(weights(model)[name], array)
        touched = name in layers[0].tensors + layers[1].tensors
        assert np.array_equal(once[name], array) != touched
        assert np.array_equal(once[name], again[name])
        assert np.array_equal(once[name], other[name]) != touched
    w = once["W1"]
    if how == "permute":
        assert np.array_equal(np.sort(w.ravel()), np.sort(before["W1"].ravel()))
    if how == "redraw":
        assert w.std() == pytest.approx(before["W1"].std(), rel=0.1)
    if how == "normal":
        assert w.std() == pytest.approx(0.1, rel=0.1)


def test_independent_layers_see_the_draws_of_the_cascade():
    model = load(mlp())
    layers = parameter_layers(model.graph)
    cascade, alone = randomised(model, layers, "permute", 0), randomised(model, layers[1:2], "permute", 0)
    assert np.array_equal(weights(cascade)["W1"], weights(alone)["W1"])


def test_tensors_are_drawn_independently():
    model = load(mlp(widths=(8, 8, 8, 8)))
    drawn = weights(randomised(model, parameter_layers(model.graph), "normal", 0))
    assert not np.array_equal(drawn["W0"], drawn["W1"])


def test_the_cascade_randomises_every_layer_up_to_its_stage_and_the_other_that_layer_alone():
    subject = Subject.of(sample("digits_cnn"), sample_images()[:2])
    explanation = by_method("gradient", subject)
    layers = parameter_layers(subject.model.graph)
    for name, parts in {
        "cascading-randomisation": [layers[:end] for end in spread(len(layers), 3)],
        "independent-randomisation": [[layers[end - 1]] for end in spread(len(layers), 3)],
    }.items():
        found = METRICS.get(name).function(subject, explanation, draws=1, stages=3)["ssim"]
        for stage, part in enumerate(parts, start=1):
            model = randomised(subject.model, part, "permute", 0)
            maps = by_method("gradient", subject).again(subject.with_model(model, 0))[:, 0]
            for row in range(2):
                wanted = similarities(explanation.planes[row, 0], maps[row], (16, 16))["ssim"]
                assert found.curve[row, stage] == pytest.approx(wanted, abs=1e-6)
        assert found.names[1:] == [part[-1].name for part in parts]


def test_running_statistics_of_normalization_stay():
    rng = np.random.default_rng(0)
    arrays = {name: rng.uniform(1, 2, 5).astype(np.float32) for name in ("scale", "bias", "mean", "var")}
    text = (
        "bn (float[n, 5, 2, 2] x) => (float[n, 5, 2, 2] y) "
        "{ z = BatchNormalization(x, scale, bias, mean, var); y = Relu(z) }"
    )
    model = load(parse(text, **arrays))
    (layer,) = parameter_layers(model.graph)
    assert layer.tensors == ("scale", "bias")


def test_a_model_without_parameters_is_refused():
    with pytest.raises(ModelError, match="no node of the model has float parameters"):
        parameter_layers(load(parse("m (float[n, 5] x) => (float[n, 5] y) { y = Relu(x) }")).graph)
    with pytest.raises(UnknownName, match="did you mean 'permute'"):
        randomised(load(mlp()), [], "permut", 0)


def test_stages_are_spread_from_the_first_layer_to_the_last():
    assert spread(20, 6) == [1, 5, 9, 12, 16, 20]
    assert spread(3, 6) == [1, 2, 3] and spread(5, 1) == [5]


@pytest.mark.parametrize("name", ["cascading-randomisation", "independent-randomisation"])
def test_maps_that_know_the_network_change_and_edges_do_not(name):
    subject = Subject.of(sample("digits_cnn"), sample_images()[:4])
    measure = METRICS.get(name).function
    gradient = measure(subject, by_method("gradient", subject), draws=1, stages=3)
    edges = measure(subject, BASELINES.get("edges").on(subject), draws=1, stages=3)
    chance = measure(subject, BASELINES.get("random").on(subject), draws=1, stages=3)
    for similarity in ("spearman", "spearman-absolute", "ssim", "hog"):
        assert gradient[similarity].curve[:, 0].tolist() == [1] * 4
        np.testing.assert_allclose(edges[similarity].values, 1)
        assert gradient[similarity].values.mean() < 0.6 and abs(chance[similarity].values.mean()) < 0.3
    names = gradient["spearman"].names
    assert names[0] == "original" and len(names) == 4


def test_the_target_stays_that_of_the_original_network():
    subject = Subject.of(sample("digits_cnn"), sample_images()[:3])
    layers = parameter_layers(subject.model.graph)
    other = subject.with_model(randomised(subject.model, layers, "permute", 3), 0)
    assert np.array_equal(other.target.values, subject.target.values)
    maps = by_method("gradient", subject).again(other)
    program = onnx.load_from_string(other.model.graph.to_model().SerializeToString())
    wanted = by_method("gradient", Subject.of(program, sample_images()[:3], subject.target.values)).planes
    np.testing.assert_allclose(maps, wanted, rtol=1e-4, atol=1e-6)
