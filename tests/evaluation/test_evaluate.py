"""The public call: baselines beside every method, everything checked before work, any kind of model."""

import numpy as np
import onnx
import pytest

import onnxpath
from onnxpath.attribution.methods import METHODS
from onnxpath.errors import InputError, OnnxPathError, UnknownName
from onnxpath.evaluation.baselines import BASELINES
from onnxpath.evaluation.explanation import parse_method, with_options
from onnxpath.evaluation.metrics import METRICS
from onnxpath.evaluation.registry import METRICS as REGISTERED
from onnxpath.evaluation.subject import Subject
from onnxpath.runtime.session import Session
from tests.evaluation import linear
from tests.models import mlp, parse, sample, sample_images

CNN = sample("digits_cnn")
SMALL = {
    "steps": (10, 50),
    "sizes": (10, 50),
    "subsets": 3,
    "draws": 1,
    "stages": 2,
}


def few(name):
    return {key: value for key, value in SMALL.items() if key in METRICS.get(name).defaults}


@pytest.mark.parametrize("name", METRICS.names())
def test_every_metric_measures_methods_and_baselines(name):
    boxes = [[[2, 2, 13, 13]]] * 3
    found = onnxpath.evaluate(CNN, sample_images()[:3], ["gradient"], [name], boxes=boxes, samples=20, **few(name))
    assert not found.skipped
    metric = METRICS.get(name)
    for scores in found.groups().values():
        assert [s.method for s in scores if not s.baseline] == ["gradient"]
        assert {s.method for s in scores if s.baseline} == set(BASELINES.names())
        for s in scores:
            assert s.rows == 3 and np.isfinite([s.mean, s.low, s.high]).all() and s.low <= s.mean <= s.high
            assert s.better == metric.better and len(s.values) == 3
            assert s.curve is None or len(s.curve.at) == len(s.curve.mean) == len(s.curve.low)
    assert metric.about and metric.better in ("lower", "higher", "")


def test_runs_are_reproducible_and_depend_on_the_seed():
    def values(seed):
        found = onnxpath.evaluate(CNN, sample_images()[:3], ["gradient"], ["lerf"], seed=seed, replace="uniform")
        return [s.values for s in found.scores]

    assert values(0) == values(0) != values(1)


@pytest.mark.parametrize("method", METHODS.names())
def test_every_method_can_be_evaluated_or_says_why_not(method):
    try:
        found = onnxpath.evaluate(CNN, sample_images()[:2], [method], ["deletion"], steps=(0, 50, 100), samples=20)
    except InputError as error:
        lacks = f"method '{method}' needs the option"
        assert str(error).startswith(("nothing could be measured:\n" + method, lacks))
    else:
        assert any(s.method == method for s in found.scores)


def test_methods_take_options():
    assert parse_method("lrp:composite=epsilon-plus:epsilon=1e-3") == (
        "lrp",
        {"composite": "epsilon-plus", "epsilon": 1e-3},
    )
    label = "pathway-gradient:selector=random:sparsity=0.5:seed=3"
    found = onnxpath.evaluate(CNN, sample_images()[:2], [label], ["deletion"], steps=(0, 100))
    assert found.scores[0].method == label


def test_an_option_of_a_label_may_hold_colons_and_is_read_as_everywhere():
    assert parse_method("grad-cam:layer=block/Relu:0:relu_attributions=False") == (
        "grad-cam",
        {"layer": "block/Relu:0", "relu_attributions": False},
    )
    with pytest.raises(InputError, match="option 'published' of method 'rap' is true or false, not 'no'"):
        parse_method("rap:published=no")


def test_options_for_all_methods_go_behind_those_that_have_them():
    labels = ["gradient", "lrp:composite=epsilon-plus", "lrp:epsilon=1", "rap"]
    assert with_options(labels, ["epsilon=0.1", "published=True"]) == [
        "gradient",
        "lrp:composite=epsilon-plus:epsilon=0.1",
        "lrp:epsilon=1",
        "rap:published=True",
    ]
    assert with_options(["conductance"], ["layer=fc:0"]) == ["conductance:layer=fc:0"]
    assert with_options(["conductance:n-steps=3"], ["n_steps=9"]) == ["conductance:n-steps=3"]
    assert with_options(["a", "b"], []) == ["a", "b"]
    with pytest.raises(UnknownName, match="no option of method 'gradient' or 'rap' named 'publish'"):
        with_options(["gradient", "rap"], ["publish=True"])


def test_only_rows_that_are_predicted_as_labelled():
    x = sample_images()
    logits = onnxpath.attribute(CNN, x, method="gradient").prediction
    labels = logits.copy()
    labels[[1, 4]] += 1
    found = onnxpath.evaluate(CNN, x, ["gradient"], ["deletion"], labels=labels, steps=(0, 100))
    assert found.rows == len(x) - 2
    with pytest.raises(InputError, match="none is left to evaluate"):
        onnxpath.evaluate(CNN, x, labels=logits + 1)
    with pytest.raises(InputError, match="12 rows need one label each"):
        onnxpath.evaluate(CNN, x, labels=[1, 2])


def test_all_problems_at_once_and_before_any_work(monkeypatch):
    monkeypatch.setattr(Session, "run", lambda *a, **k: pytest.fail("work was done"))
    with pytest.raises(OnnxPathError) as caught:
        onnxpath.evaluate(CNN, sample_images(), ["gradeint"], ["lref", "morf"], replace="maen", steps=(5, 1), draws=0)
    text = str(caught.value)
    for part in ("did you mean 'gradient'", "did you mean 'lerf'", "did you mean 'mean'", "ascending", "from 1, not 0"):
        assert part in text
    with pytest.raises(UnknownName, match="no option of these metrics named 'step'; did you mean 'steps'"):
        onnxpath.evaluate(CNN, sample_images(), ["gradient"], ["lerf"], step=3)
    with pytest.raises(UnknownName, match="no option of method 'gradient' named 'sparsity'"):
        onnxpath.evaluate(CNN, sample_images(), ["gradient:sparsity=0.5"], ["lerf"])
    with pytest.raises(InputError, match="write options as name:option=value"):
        onnxpath.evaluate(CNN, sample_images(), ["lrp:composite"], ["lerf"])
    with pytest.raises(InputError, match="at least one method and one metric"):
        onnxpath.evaluate(CNN, sample_images(), [], ["lerf"])


def test_metrics_that_need_what_is_not_there():
    with pytest.raises(OnnxPathError) as caught:
        onnxpath.evaluate(CNN, sample_images()[:2], ["gradient"], ["pointing-game", "box-iou"])
    assert "'pointing-game' needs boxes or masks" in str(caught.value) and "'box-iou' needs boxes" in str(caught.value)
    with pytest.raises(InputError, match="'road' needs rows with height and width"):
        onnxpath.evaluate(mlp(), np.zeros((2, 6), np.float32), ["gradient"], ["road"])


def test_a_method_that_cannot_run_is_listed_and_the_others_go_on():
    found = onnxpath.evaluate(
        mlp(activation="Gelu", opset=20), np.ones((2, 6)), ["gradient", "lrp:composite=epsilon-plus"], ["deletion"]
    )
    assert any(s.method == "gradient" for s in found.scores)
    assert {line.partition(":")[0] for line in found.skipped} <= {"lrp"}


def test_tables_have_the_baselines_that_fit():
    found = onnxpath.evaluate(mlp(), np.random.default_rng(0).standard_normal((5, 6)), ["gradient"], ["deletion"])
    plain = [name for name in BASELINES.names() if not BASELINES.get(name).picture]
    assert {s.method for s in found.scores if s.baseline} == set(plain) == {"random"}


def test_a_model_of_token_ids_is_evaluated_on_its_embedding():
    rng = np.random.default_rng(0)
    arrays = {"E": rng.standard_normal((11, 4)), "W": rng.standard_normal((4, 3))}
    text = (
        "words (int64[n, 5] ids) => (float[n, 3] y) { e = Gather<axis = 0>(E, ids); r = Relu(e); "
        "m = ReduceMean<keepdims = 0>(r, axes); y = MatMul(m, W) }"
    )
    model = parse(text, **{k: v.astype(np.float32) for k, v in arrays.items()}, axes=np.array([1]))
    subject = Subject.of(model, rng.integers(0, 11, (3, 5)))
    assert subject.layout.positions == 5 and subject.planes.shape == (3, 4, 5)
    found = onnxpath.evaluate(model, rng.integers(0, 11, (3, 5)), ["gradient"], ["deletion"], replace="zero")
    assert not found.skipped


@pytest.mark.parametrize("place, positions", [(0, 16 * 16), (-1, 32)], ids=["convolution", "vector"])
def test_a_computed_tensor_has_its_channels_where_inputs_of_its_rank_have_them(place, positions):
    layer = onnxpath.load(CNN).layers()[place]
    subject = Subject.of(CNN, sample_images()[:2], wrt=[layer.name])
    assert subject.layout.positions == positions
    found = onnxpath.evaluate(CNN, sample_images()[:2], ["gradient"], ["deletion"], steps=(0, 50), wrt=[layer.name])
    assert not found.skipped


def test_other_inputs_stay_and_several_float_inputs_must_be_told_apart():
    rng = np.random.default_rng(0)
    text = "two (float[n, 4] a, float[n, 4] b) => (float[n, 3] y) { s = Mul(a, b); y = MatMul(s, W) }"
    model = parse(text, W=rng.standard_normal((4, 3)).astype(np.float32))
    x = {"a": rng.standard_normal((3, 4)), "b": rng.standard_normal((3, 4))}
    with pytest.raises(InputError, match="name one with wrt"):
        onnxpath.evaluate(model, x, ["gradient"], ["deletion"])
    found = onnxpath.evaluate(model, x, ["input-x-gradient"], ["sensitivity-n"], wrt=["b"], sizes=(50,), subsets=20)
    assert found.scores[0].mean == pytest.approx(1, abs=1e-4)  # linear in b


def test_a_scalar_beside_the_input_is_the_same_for_every_row():
    weights = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
    model = parse("m (float[n, 4] x, float s) => (float[n, 3] y) { p = Mul(x, s); y = MatMul(p, W) }", W=weights)
    plain = parse("m (float[n, 4] x) => (float[n, 3] y) { y = MatMul(x, W) }", W=weights)
    x = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)
    found, wanted = (
        onnxpath.evaluate(m, given, ["gradient"], ["deletion"], wrt=["x"], score="logit")
        for m, given in ((model, {"x": x, "s": np.float32(1)}), (plain, x))
    )
    assert found.scores[0].values == pytest.approx(wanted.scores[0].values)


def test_a_fixed_batch_and_a_single_output():
    made, _ = linear.model()
    made.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 4
    made.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 4
    x = linear.inputs(rows=3)
    fixed = onnxpath.evaluate(made, x, ["gradient"], ["morf"], steps=(10, 30))
    free = onnxpath.evaluate(linear.model()[0], x, ["gradient"], ["morf"], steps=(10, 30))
    assert fixed.scores[0].values == pytest.approx(free.scores[0].values, rel=1e-4)
    one = parse("one (float[n, 4] x) => (float[n, 1] y) { y = MatMul(x, W) }", W=np.ones((4, 1), np.float32))
    wanted = (
        r"^the scores of deletion 'softmax', morf 'softmax' compare .* no classes; give score='logit' \(--metric-option"
    )
    with pytest.raises(InputError, match=wanted):
        onnxpath.evaluate(one, np.ones((2, 4)), ["gradient"], ["deletion", "morf", "sparseness"])
    assert onnxpath.evaluate(one, np.ones((2, 4)), ["gradient"], ["deletion"], score="logit").scores


def test_float16_models():
    from onnx import numpy_helper

    made, _ = linear.model()
    for tensor in made.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
    for value in (*made.graph.input, *made.graph.output):
        value.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    found = onnxpath.evaluate(made, linear.inputs(), ["gradient"], ["lerf"], steps=(20, 60))
    wanted = onnxpath.evaluate(linear.model()[0], linear.inputs(), ["gradient"], ["lerf"], steps=(20, 60))
    assert found.scores[0].mean == pytest.approx(wanted.scores[0].mean, rel=0.1)


def test_a_metric_is_one_file_and_one_decorator():
    assert REGISTERED is METRICS and len(METRICS.names()) >= 20
