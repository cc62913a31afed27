"""Several methods, selectors or metrics are named in one way by every verb."""

import numpy as np
import pytest
from typer.main import get_command

import onnxpath
from onnxpath_cli.main import VERBS, app
from onnxpath_cli.options import several
from tests.cli.program import CNN, IMAGES, ONE_IMAGE, PREPROCESS, refused, run
from tests.models import relative, sample_images

COMMANDS = get_command(app).commands
SEVERAL = {verb for verb in VERBS for p in COMMANDS[verb].params if p.name == "method" and p.multiple}


@pytest.mark.parametrize(
    ("given", "names"),
    [
        (None, ["default"]),
        (["a,b"], ["a", "b"]),
        (["a", "b, c", "a"], ["a", "b", "c"]),
        (["occlusion:strides=(3, 8, 8),b"], ["occlusion:strides=(3, 8, 8)", "b"]),
        (["a:baselines=[0,1]", "b"], ["a:baselines=[0,1]", "b"]),
        (['a:baselines={"x": 0, "z": [1, 2]},b:c=(1,2)'], ['a:baselines={"x": 0, "z": [1, 2]}', "b:c=(1,2)"]),
        (
            ["occlusion:sliding_window_shapes=((1, 3), (2, 2)),b"],
            ["occlusion:sliding_window_shapes=((1, 3), (2, 2))", "b"],
        ),
        ([","], []),
    ],
)
def test_commas_and_repetition_mean_the_same(given, names):
    assert several(given, ["default"]) == names


def test_every_verb_that_takes_several_methods_has_both_names_and_their_options():
    assert {"report", "compare", "evaluate", "roar"} == SEVERAL
    for verb in SEVERAL:
        options = {p.name: p.opts for p in COMMANDS[verb].params}
        assert options["method"] == ["--method", "--methods"] and options["option"] == ["--option"]


def test_a_report_and_a_comparison_take_commas_and_options(tmp_path):
    names = ["--methods", "gradient,rap", "--option", "published=False", "--preprocess", PREPROCESS, "--json"]
    done = run("compare", CNN, CNN, ONE_IMAGE, *names, "-o", tmp_path / "c")
    assert done.code == 0 and '"rap"' in (tmp_path / "c" / "compare.json").read_text(), done
    done = run("report", CNN, ONE_IMAGE, *names, "-o", tmp_path / "r")
    assert done.code == 0 and '"rap"' in (tmp_path / "r" / "report.json").read_text(), done


@pytest.mark.parametrize("verb", [["report", CNN], ["compare", CNN, CNN], ["explain", CNN], ["compile", CNN]])
def test_a_text_where_true_or_false_is_due_is_refused(tmp_path, verb):
    files = [] if verb[0] == "compile" else [IMAGES, "--preprocess", PREPROCESS]
    text = refused(tmp_path / "out", *verb, *files, "--method", "rap", "--option", "published=no")
    assert "option 'published' of method 'rap' is true or false, not 'no'" in text


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--methods", ","], "name at least one attribution method"),
        (["--method", "lrp:epsilon=1"], "options of a method are given beside it, --option NAME=VALUE"),
        (["--option", "steps=3"], "no option of method 'pathway-gradient' or selector 'neuron-mct' named 'steps'"),
    ],
)
def test_a_report_says_how_methods_are_named(tmp_path, options, says):
    assert says in refused(tmp_path / "out", "report", CNN, IMAGES, "--preprocess", PREPROCESS, *options)


def test_the_same_problem_of_two_selectors_is_told_once(tmp_path):
    command = ["pathway", CNN, IMAGES, "--preprocess", PREPROCESS, "--selector", "mct,random", "--sparsity", 1.5]
    text = refused(tmp_path / "out", *command)
    assert "no selector named 'mct'" in text and text.count("1.5 was given") == 1


@pytest.mark.parametrize("method", ["pruneint", "integrated-gradients"])
def test_without_steps_a_method_takes_as_many_as_from_python(tmp_path, method):
    asked = ("explain", CNN, ONE_IMAGE, "--preprocess", PREPROCESS, "--method", method, "--json")
    maps = []
    for folder, more in (("default", ()), ("three", ("--steps", 3))):
        (row,) = run(*asked, *more, "-o", tmp_path / folder).json["results"]
        with np.load(row["array"]) as saved:
            maps.append(saved["map"])
    wanted = onnxpath.attribute(CNN, sample_images()[:1], method=method).values[0]
    assert relative(maps[0], wanted) <= 1e-5 < 1e-3 < relative(maps[1], wanted)
