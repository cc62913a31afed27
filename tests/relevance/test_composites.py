"""Composites as ordered entries: which rule a node gets, files of a user's own, what is said about a wrong one."""

import numpy as np
import pytest

import onnxpath
from onnxpath.rules.relevance.composite_file import composite_of, read_composite
from onnxpath.rules.relevance.composites import COMPOSITES, composite
from tests.models import sample, sample_images

PLUS_FLAT = """
[[rule]]
rule = "lrp-flat"
role = "first_linear"
[[rule]]
rule = "lrp-zplus"
operators = ["Conv", "ConvTranspose"]
[[rule]]
rule = "lrp-epsilon"
epsilon = 0.01
"""


def written(tmp_path, text):
    path = tmp_path / "own.toml"
    path.write_text(text)
    return str(path)


def relevance(path, model="digits_cnn", **options):
    return onnxpath.attribute(sample(model), sample_images()[:3], method="lrp", composite=path, **options)


def test_a_file_says_what_a_built_in_composite_does(tmp_path):
    found = relevance(written(tmp_path, PLUS_FLAT))
    expected = relevance("epsilon-plus-flat", epsilon=0.01)
    assert np.array_equal(found.values, expected.values) and np.array_equal(found.delta, expected.delta)


def test_the_first_entry_that_takes_a_node_decides(tmp_path):
    general = '[[rule]]\nrule = "lrp-zplus"\noperators = ["Conv"]\n'
    own = '[[rule]]\nrule = "lrp-epsilon"\nnode = "/conv2/*"\n'
    after = relevance(written(tmp_path, f'extends = "lrp-gamma"\n{general}{own}')).values
    before = relevance(written(tmp_path, f'extends = "lrp-gamma"\n{own}{general}')).values
    without = relevance(written(tmp_path, f'extends = "lrp-gamma"\n{general}')).values
    assert np.array_equal(after, without) and not np.allclose(before, without)


def test_a_file_that_was_changed_is_read_again(tmp_path):
    model = onnxpath.load(sample("digits_cnn"), providers="cpu")
    maps = []
    for rule in ("lrp-epsilon", "lrp-zplus", "lrp-epsilon"):
        path = written(tmp_path, f'[[rule]]\nrule = "{rule}"\n')
        maps.append(onnxpath.attribute(model, sample_images()[:2], method="lrp", composite=path).values)
    assert np.array_equal(maps[0], maps[2]) and not np.allclose(maps[0], maps[1])


def test_extending_adds_to_what_is_there(tmp_path):
    """The products of attention keep attnlrp's rule where a linear rule is asked for everywhere."""
    path = written(tmp_path, 'extends = "attnlrp"\n[[rule]]\nrule = "lrp-gamma"\ngamma = 0.1\n')
    found, plain = relevance(path, "digits_vit"), relevance("attnlrp", "digits_vit")
    assert np.isfinite(found.values).all() and not np.allclose(found.values, plain.values)
    none = relevance(written(tmp_path, 'extends = "attnlrp"\n[[rule]]\nrule = "lrp-epsilon"\n'), "digits_vit")
    assert np.allclose(none.values, plain.values, atol=1e-5)


def test_extending_the_gradient_starts_with_one(tmp_path):
    path = written(tmp_path, 'extends = "gradient"\n[[rule]]\nrule = "beta-smooth"\nbeta_smooth = 1e6\n')
    assert composite_of(path).starts == "one" and composite("epsilon-plus").starts == "logit"
    found = relevance(path)
    expected = onnxpath.attribute(sample("digits_cnn"), sample_images()[:3], method="gradient").values
    assert np.allclose(found.values, expected, atol=1e-5) and found.delta is None


def test_holding_a_node(tmp_path):
    """With the weights of attention held, queries and keys get nothing, as under CP-LRP."""
    path = written(tmp_path, 'extends = "attnlrp"\n[[rule]]\nrule = "hold"\noperators = ["Softmax"]\n')
    found, plain = relevance(path, "digits_vit").values, relevance("attnlrp", "digits_vit").values
    assert np.isfinite(found).all() and not np.allclose(found, plain)


WRONG = """
extend = "lrp-gamma"
[[rule]]
rule = "lrp-gama"
[[rule]]
rule = "lrp-gamma"
gama = 1
gamma = "much"
operators = ["Relu"]
[[rule]]
rule = "lrp-alpha-beta"
role = "frist_linear"
alpha = 3
[[rule]]
node = 5
low = 1
[[rule]]
rule = "lrp-epsilon"
epsilon = -1
bias = "no"
"""


def test_all_that_is_wrong_with_a_file_is_said_at_once(tmp_path):
    with pytest.raises(onnxpath.InputError) as error:
        relevance(written(tmp_path, WRONG))
    said = str(error.value)
    for line in (
        "extend: no key named 'extend'; did you mean 'extends'?",
        "rule 1: rule: no relevance rule named 'lrp-gama'; did you mean 'lrp-gamma'?",
        "rule 2: gama: no parameter of lrp-gamma named 'gama'; did you mean 'gamma'?",
        "rule 2: gamma: is no number: 'much'",
        "rule 2: operators: lrp-gamma is not for Relu, only for Conv, ConvTranspose, Gemm, MatMul",
        "rule 3: role: no role named 'frist_linear'; did you mean 'first_linear'?",
        "rule 3: alpha, beta: alpha - beta must be 1, not 3 - 1",
        "rule 4: rule: is missing",
        "rule 4: node: is no text: 5",
        "rule 5: bias: is neither true nor false: 'no'",
        "rule 5: epsilon: must be at least 0, not -1",
    ):
        assert line in said, line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "at least one [[rule]] table is needed"),
        ("rule = 3", "at least one [[rule]] table is needed"),
        ("[[rule]\n", "is not TOML"),
        ('extends = "own"\n[[rule]]\nrule = "norm"', "no rule set or composite named 'own'"),
        ('[[rule]]\nrule = ["norm"]', "no relevance rule named"),
        ('[[rule]]\nrule = "lrp-zbox"\nlow = [[1, 2], [3]]', "no nested list of one shape"),
        ('[[rule]]\nrule = "norm"\noperators = "Conv"', "is no list of operators: 'Conv'"),
    ],
)
def test_what_a_file_cannot_say(tmp_path, text, said):
    with pytest.raises(onnxpath.InputError) as error:
        read_composite(written(tmp_path, text))
    assert said in str(error.value)


def test_a_file_that_does_not_fit_the_model(tmp_path):
    with pytest.raises(onnxpath.InputError, match=r"rule 1: no node on the way is named 'conv2\*'; the nearest is"):
        relevance(written(tmp_path, '[[rule]]\nrule = "lrp-gamma"\nnode = "conv2*"'))
    with pytest.raises(onnxpath.InputError, match="cannot be read"):
        relevance(str(tmp_path / "none.toml"))
    with pytest.raises(onnxpath.UnsupportedOperator, match=r"Gemm (.|\n)*: .*this composite names no rule for it"):
        relevance(written(tmp_path, '[[rule]]\nrule = "lrp-gamma"\noperators = ["Conv"]'))


def test_arrays_in_a_file(tmp_path):
    box = '[[rule]]\nrule = "lrp-zbox"\nrole = "first_linear"\nlow = [[[-0.5]]]\nhigh = 1.5\n'
    path = written(tmp_path, f'extends = "lrp-gamma"\n{box}')
    text = '[[rule]]\nrule = "lrp-zbox"\nrole = "first_linear"\n'
    options = relevance(written(tmp_path / "..", f'extends = "lrp-gamma"\n{text}'), low=-0.5, high=1.5)
    assert np.array_equal(relevance(path).values, options.values)


def test_every_built_in_composite_says_what_it_does():
    for name in COMPOSITES:
        kind = "gradient: " if composite(name).starts == "one" else "relevance: "
        assert composite(name).about.startswith(kind)
    assert "lrp-flat for all linear layers as first linear layer" in composite("epsilon-plus-flat").about
