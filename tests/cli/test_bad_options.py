"""Options and paths that cannot be used: told before any work starts, all at once."""

import os
import shutil

import pytest

from tests.cli.program import CNN, IMAGES, ONE_IMAGE, PREPROCESS, refused, run, tree

IMAGE_VERBS = ["activations", "explain", "pathway", "report", "radius", "decode"]
EVERY_IMAGE_VERB = pytest.mark.parametrize("verb", IMAGE_VERBS)


def refuse(folder, verb, inputs=IMAGES, *options):
    return refused(folder / "out", verb, CNN, inputs, "--preprocess", PREPROCESS, *options)


@EVERY_IMAGE_VERB
def test_paths_without_inputs(tmp_path, no_work, verb):
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("no picture")
    assert "empty' holds no inputs; it is searched, with its sub-folders, for png" in refuse(
        tmp_path, verb, tmp_path / "empty"
    )
    assert "texts' holds no inputs" in refuse(tmp_path, verb, tmp_path / "texts")
    assert "a.txt' is of a kind that is not read; give one of png" in refuse(
        tmp_path, verb, tmp_path / "texts" / "a.txt"
    )
    assert "none.png' does not exist" in refuse(tmp_path, verb, tmp_path / "none.png")


NAMES = [
    (["--tensor", "/Relu_outpt_0"], "did you mean '/Relu_output_0'?", ["activations"]),
    (["--method", "gradent"], "no attribution method named 'gradent'; did you mean 'gradient'?", ["explain", "report"]),
    (["--method", "conductance"], "method 'conductance' needs the option `layer`", ["explain", "report"]),
    (["--selector", "neuron-mtc"], "no selector named 'neuron-mtc'; did you mean 'neuron-mct'?", IMAGE_VERBS[1:]),
    (["--scope", "globl"], "no scope named 'globl'; did you mean 'global'?", IMAGE_VERBS[1:]),
    (["--output", "logit"], "no float output named 'logit'; did you mean 'logits'?", IMAGE_VERBS[1:]),
    (["--providers", "cdua"], "no provider named 'cdua'; did you mean 'cuda'?", IMAGE_VERBS),
    (["--target", "10"], "target 10 is out of range: 'logits' has entries 0 to 9 in a row", IMAGE_VERBS[1:]),
    (["--target", "-1"], "target -1 is out of range", IMAGE_VERBS[1:]),
    (["--sparsity", "1.5"], "sparsity is the fraction of neurons pruned, 0 to 1; 1.5 was given", IMAGE_VERBS[1:]),
    (["--sparsity", "-0.1"], "0 to 1; -0.1 was given", IMAGE_VERBS[1:]),
    (["--sparsity", "nan"], "0 to 1; nan was given", IMAGE_VERBS[1:]),
    (["--composite", "epsilon-pls"], "no composite named 'epsilon-pls'; did you mean", ["explain", "report"]),
    (["--composite", "no/such.toml"], "composite 'no/such.toml' cannot be read: No such", ["explain", "report"]),
    (["--composite", "epsilon-gamma-box"], "lrp-zbox needs `low` and `high`", ["explain", "report"]),
    (["--composite", "epsilon-plus"], "and no method that has one; add --method lrp", ["explain", "report"]),
    (["--classes", "no/such.txt"], "class names 'no/such.txt' cannot be read: No such file", IMAGE_VERBS[1:]),
    (["--classes", str(ONE_IMAGE)], "are not UTF-8 text", IMAGE_VERBS[1:]),
    (["--preprocess", "no/such.toml"], "preprocess file 'no/such.toml' cannot be read: No such file", IMAGE_VERBS),
]


@pytest.mark.parametrize(
    ("verb", "options", "says"),
    [
        pytest.param(verb, options, says, id=f"{verb} {' '.join(options)[-30:]}")
        for options, says, verbs in NAMES
        for verb in verbs
    ],
)
def test_options_that_cannot_be_used(tmp_path, no_work, verb, options, says):
    assert says in refuse(tmp_path, verb, IMAGES, *options)


@pytest.mark.parametrize("verb", ["inspect", "gradient", "list"])
def test_unknown_names_in_the_other_verbs(tmp_path, verb):
    arguments = {
        "inspect": [CNN, "--output", "logit"],
        "gradient": [CNN, "--of", "logit", "-o", tmp_path / "out.onnx"],
        "list": ["selector"],
    }
    done = run(verb, *arguments[verb])
    assert done.code == 2 and "did you mean" in done.err and tree(tmp_path) == []


@pytest.mark.parametrize(("option", "value"), [("--steps", "0"), ("--seed", "-1")])
def test_numbers_that_typer_refuses(tmp_path, no_work, option, value):
    done = run("report", CNN, IMAGES, "-o", tmp_path / "out", option, value)
    assert done.code == 2 and option in done.err and "Usage" in done.err and tree(tmp_path) == []


def test_preprocess_file_with_several_faults(tmp_path, no_work):
    (tmp_path / "p.toml").write_text('layuot = "NCHW"\ncolor = "CMYK"\nstd = 0\n')
    text = refused(tmp_path / "out", "report", CNN, IMAGES, "--preprocess", tmp_path / "p.toml")
    assert (
        "unknown key 'layuot'; did you mean 'layout'?" in text
        and "color: must be one of" in text
        and "std: must not hold a zero" in text
    )


def test_all_problems_at_once(tmp_path, no_work):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "p.toml").write_text("colour = 'L'")
    done = run(
        *(
            "report",
            tmp_path / "no.onnx",
            tmp_path / "no.png",
            "--preprocess",
            tmp_path / "p.toml",
            "--method",
            "gradent",
        ),
        *("--selector", "mct", "--sparsity", "2", "--classes", "no.txt", "-o", tmp_path / "file" / "out"),
    )
    assert done.code == 2 and done.out == ""
    parts = ("no.onnx' does not exist", "unknown key 'colour'", "'gradent'", "'mct'", "2.0 was given", "no.txt'")
    for part in (*parts, "no.png' does not exist", "out' cannot be written"):
        assert part in done.err


@EVERY_IMAGE_VERB
def test_output_folder_that_cannot_be_written(tmp_path, no_work, verb):
    (tmp_path / "file").write_text("in the way")
    folders = [tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("x" * 300)]
    folders += [f for f in ("/proc/onnxpath", "/sys/onnxpath") if os.path.isdir(os.path.dirname(f))]
    for folder in folders:
        done = run(verb, CNN, IMAGES, "--preprocess", PREPROCESS, "-o", folder)
        assert done.code == 2 and "cannot be written" in done.err and "with -o" in done.err, (folder, done)
    assert tree(tmp_path) == ["file"]


def test_gradient_file_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = run("gradient", CNN, "-o", tmp_path / "file" / "g.onnx")
    assert done.code == 2 and "cannot be written" in done.err
    (tmp_path / "folder").mkdir()
    done = run("gradient", CNN, "-o", tmp_path / "folder")
    assert done.code == 2 and "cannot be written" in done.err
    assert tree(tmp_path) == ["file", "folder"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_output_folder_without_permission(tmp_path, no_work):
    tmp_path.chmod(0o500)
    done = run("report", CNN, IMAGES, "--preprocess", PREPROCESS, "-o", tmp_path / "out")
    tmp_path.chmod(0o700)
    assert done.code == 2 and "Permission denied" in done.err


@pytest.mark.parametrize("verb", [*IMAGE_VERBS, "inspect"])
def test_cuda_that_is_not_there(tmp_path, no_work, verb):
    from onnxpath.runtime.providers import why_no_cuda

    if why_no_cuda() is None:
        pytest.skip("CUDA is there")
    if verb == "inspect":
        done = run(verb, CNN, "--providers", "cuda")
        assert done.code == 2
        text = done.err
    else:
        text = refuse(tmp_path, verb, IMAGES, "--providers", "cuda")
    assert "CUDA was asked for and is not to be had: " in text and "use providers='auto' or 'cpu'" in text


@pytest.mark.parametrize("verb", ["explain", "pathway", "report", "evaluate"])
def test_a_precision_that_there_is_not(tmp_path, no_work, verb):
    text = refuse(
        tmp_path, verb, ONE_IMAGE, "--precision", "half", *(["--method", "gradient"] if verb != "pathway" else [])
    )
    assert "no precision named 'half'" in text and "known: float32, tf32" in text


@pytest.mark.parametrize("verb", [*IMAGE_VERBS, "evaluate", "compare", "roar"])
@pytest.mark.parametrize("below", ["", "out"])
def test_results_in_a_searched_folder(tmp_path, no_work, verb, below):
    place = tmp_path / "in" / "7"
    place.mkdir(parents=True)
    shutil.copy(ONE_IMAGE, place)
    words = {"compare": [CNN, CNN, tmp_path / "in"], "roar": [CNN, ONE_IMAGE, tmp_path / "in"]}
    told = refused(tmp_path / "in" / below, verb, *words.get(verb, [CNN, tmp_path / "in"]), "--preprocess", PREPROCESS)
    assert f"results cannot go to '{tmp_path / 'in' / below}'" in told and f"by folder '{tmp_path / 'in'}'" in told
