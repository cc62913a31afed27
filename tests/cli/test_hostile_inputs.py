"""Inputs that were made to do harm: each is refused by name, nothing hangs, nothing is written where it must not be."""

import io
import json
import os
import zipfile

import numpy as np
import onnx
import pytest
from PIL import Image

from tests.cli.program import CNN, ONE_IMAGE, PREPROCESS, refused, run, tree
from tests.fuzz.pictures import png
from tests.models import mlp

EXPLAIN = ("explain", CNN)
DIGITS = ("--preprocess", PREPROCESS, "--method", "gradient")


def told(folder, data, name, *options):
    """What is said of one file of these bytes."""
    (folder / name).write_bytes(data)
    return refused(folder / "out", *EXPLAIN, folder / name, *(options or DIGITS))


# ------------------------------------------------------------------------------------------------ pictures


@pytest.mark.parametrize("sides", [(30_000, 30_000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1)])
def test_a_picture_that_declares_more_than_is_taken(tmp_path, sides):
    text = told(tmp_path, png(*sides), "a.png")
    assert "image a.png cannot be read" in text or "at most 89478485 are taken" in text


def test_the_limit_of_pixels_can_be_set(tmp_path, monkeypatch):
    monkeypatch.setenv("ONNXPATH_MAX_PIXELS", "255")
    text = refused(tmp_path / "out", *EXPLAIN, ONE_IMAGE, *DIGITS)
    assert "has 16×16 pixels, and at most 255 are taken" in text and "ONNXPATH_MAX_PIXELS" in text
    monkeypatch.setenv("ONNXPATH_MAX_PIXELS", "256")
    assert run(*EXPLAIN, ONE_IMAGE, *DIGITS, "-o", tmp_path / "out").code == 0


def test_a_long_comment_in_a_picture(tmp_path):
    """A few kilobytes of zTXt that unpack to 16 MB: Pillow keeps no more than one."""
    rng = np.random.default_rng(0)
    while len(data := png(16, 16, rng)) < 10_000:
        pass
    assert "image a.png cannot be read" in told(tmp_path, data, "a.png")


@pytest.mark.parametrize("value", ["100000", "[100000, 100000]", "9999999999999999999"])
def test_a_preprocess_file_that_asks_for_a_huge_picture(tmp_path, value):
    (tmp_path / "p.toml").write_text(f"resize = {value}\ncolor = 'L'")
    text = refused(tmp_path / "out", *EXPLAIN, ONE_IMAGE, "--preprocess", tmp_path / "p.toml")
    assert "resize makes" in text and "at most 89478485 are taken" in text


def test_an_animation_is_its_first_frame(tmp_path):
    frames = [Image.new("L", (16, 16), grey) for grey in (10, 200)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "b.png")
    done = run(*EXPLAIN, tmp_path / "a.png", tmp_path / "b.png", *DIGITS, "-o", tmp_path / "out", "--json")
    one, other = (np.load(row["array"])["logits"] for row in done.json["results"])
    assert np.array_equal(one, other)


def test_a_wrong_suffix_does_not_matter_and_another_format_does(tmp_path):
    picture = Image.open(ONE_IMAGE)
    picture.save(tmp_path / "a.jpg", "PNG")
    assert run(*EXPLAIN, tmp_path / "a.jpg", *DIGITS, "-o", tmp_path / "out").code == 0
    picture.save(tmp_path / "b.png", "TIFF")
    assert "image b.png cannot be read" in refused(tmp_path / "no", *EXPLAIN, tmp_path / "b.png", *DIGITS)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes among its files")
def test_pipes_and_devices_are_not_opened(tmp_path):
    """A folder out of an archive may hold them, and opening one may never end."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "good.png").write_bytes(ONE_IMAGE.read_bytes())
    os.mkfifo(tmp_path / "in" / "pipe.png")
    (tmp_path / "in" / "zero.npy").symlink_to("/dev/zero")
    done = run(*EXPLAIN, tmp_path / "in", *DIGITS, "-o", tmp_path / "out", "--json")
    assert done.code == 0 and [row["input"] for row in done.json["results"]] == ["good.png"]
    (tmp_path / "in" / "m.csv").write_text("path\ngood.png\npipe.png\n")
    for name in ("pipe.png", "zero.npy", "m.csv"):
        text = refused(tmp_path / "no", *EXPLAIN, tmp_path / "in" / name, *DIGITS)
        assert "is a pipe or a device; give a file" in text


# ------------------------------------------------------------------------------------------------ arrays


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return file.getvalue()


def npy(header, body=b""):
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


ZEROS = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s,), }"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.npy", npy(ZEROS % 2**40)),
        ("a.npz", zipped(x=npy(ZEROS % 2**40))),
        ("a.npz", zipped(x=b"no array")),
        ("a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': " + "(" * 50 + ")" * 50 + "}")),
        ("a.npy", npy("{'descr': '|V99999999999', 'fortran_order': False, 'shape': (1,), }")),
        ("a.npy", npy(ZEROS % "2.5")),
        ("a.npy", npy("{'descr': '<f4', (")),
    ],
)
def test_arrays_that_are_none(tmp_path, name, data):
    assert f"array file {name} cannot be read" in told(tmp_path, data, name)


def test_an_archive_that_unpacks_to_more_than_is_taken(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros((100, 1, 16, 16), np.float32))
    monkeypatch.setenv("ONNXPATH_MAX_ARRAY_BYTES", "100000")
    text = refused(tmp_path / "out", *EXPLAIN, tmp_path / "a.npz", *DIGITS)
    assert "array file a.npz holds 9.549e-05 GiB" in text and "ONNXPATH_MAX_ARRAY_BYTES" in text


@pytest.mark.parametrize("verb", ["compile", "evaluate"])
def test_archives_of_other_options(tmp_path, verb):
    (tmp_path / "a.npz").write_bytes(zipped(masks=b"no array")[:-10])
    if verb == "compile":
        given = ["compile", CNN, "--pathway", tmp_path / "a.npz"]
    else:
        metrics = ["--methods", "gradient", "--metrics", "pointing-game", "--masks", tmp_path / "a.npz"]
        given = ["evaluate", CNN, ONE_IMAGE, "--preprocess", PREPROCESS, *metrics]
    (tmp_path / "in").mkdir()
    assert "a.npz'" in refused(tmp_path / "in" / "out", *given)


# ------------------------------------------------------------------------------------------------ configurations

DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(("suffix", "text"), [(".toml", f"mean = {DEEP}"), (".json", f'{{"mean": {DEEP}}}')])
def test_deep_preprocess_files(tmp_path, suffix, text):
    (tmp_path / f"p{suffix}").write_text(text)
    said = refused(tmp_path / "out", *EXPLAIN, ONE_IMAGE, "--preprocess", tmp_path / f"p{suffix}")
    assert "is not valid" in said


def test_a_deep_composite(tmp_path):
    (tmp_path / "c.toml").write_text(f"extends = {DEEP}")
    options = ("--method", "lrp", "--composite", tmp_path / "c.toml", "--preprocess", PREPROCESS)
    assert "is not TOML" in refused(tmp_path / "out", *EXPLAIN, ONE_IMAGE, *options)


def test_an_option_of_a_deep_list(tmp_path):
    options = ("--method", "integrated-gradients", "--option", f"n_steps={'[' * 5000}", "--preprocess", PREPROCESS)
    assert "option 'n_steps' of method 'integrated-gradients' is a whole number, not '[[[" in refused(
        tmp_path / "out", *EXPLAIN, ONE_IMAGE, *options
    )


def test_a_finished_report_of_deep_lists(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(DEEP)
    assert "is not the data of a report" in refused(tmp_path / "out", "compare", tmp_path / "a", tmp_path / "b")


# ------------------------------------------------------------------------------------------------ names


def test_names_that_no_encoding_has(tmp_path):
    (tmp_path / "in").mkdir()
    name = "\udcff.png"
    (tmp_path / "in" / name).write_bytes(ONE_IMAGE.read_bytes())
    for verb in ("explain", "pathway", "report"):
        done = run(verb, CNN, tmp_path / "in", "--preprocess", PREPROCESS, "-o", tmp_path / verb, "--json")
        assert done.code == 0, done
    assert json.loads((tmp_path / "report" / "report.json").read_text())["items"]


def test_names_do_not_command_a_terminal(tmp_path):
    (tmp_path / "in").mkdir()
    name = "\x1b]0;title\x07\x1b[2Jred\x9b31m\u202egnp.png"
    (tmp_path / "in" / name).write_bytes(b"no picture")
    (tmp_path / "in" / f"good {name}").write_bytes(ONE_IMAGE.read_bytes())
    done = run(*EXPLAIN, tmp_path / "in", *DIGITS, "-o", tmp_path / "out", "--json")
    assert done.code == 1 and not set(done.out + done.err) & set("\x1b\x07\x9b\u202e")
    assert "image \\u001b]0;title\\u0007\\u001b[2Jred\\u009b31m\\u202egnp.png cannot be read" in done.err
    assert done.json["results"][0]["input"] == f"good {name}"


@pytest.mark.parametrize("name", ["..png", "....png", "..\\..\\x.png", "-o.png", "<script>.png", "a\nb.png", "CON.png"])
def test_names_stay_in_the_output_folder(tmp_path, name):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(ONE_IMAGE.read_bytes())
    (tmp_path / "in" / "plain.png").write_bytes(ONE_IMAGE.read_bytes())
    before = tree(tmp_path)
    done = run("report", CNN, tmp_path / "in", "--preprocess", PREPROCESS, "-o", tmp_path / "out", "--json")
    assert done.code == 0, done
    assert [p for p in tree(tmp_path) if p not in before and not p.startswith("out")] == []
    assert "<script>.png" not in (tmp_path / "out" / "report.html").read_text()


def test_too_little_memory_is_no_bug(tmp_path, monkeypatch):
    def load(*given, **options):
        raise MemoryError("Unable to allocate 9.0 TiB")

    monkeypatch.setattr("onnxpath.runtime.model.load_graph", load)
    onnx.save(mlp(), tmp_path / "m.onnx")
    done = run("inspect", tmp_path / "m.onnx")
    assert done.code == 2 and "not enough memory for this: Unable to allocate 9.0 TiB" in done.err


@pytest.mark.parametrize("record", [DEEP, '{"path": ' + DEEP + "}", '{"path": "a\\u0000b.png"}'])
def test_manifests_that_are_none(tmp_path, record):
    (tmp_path / "m.jsonl").write_text('{"path": "a.png"}\n' + record)
    assert "m.jsonl' cannot be used" in refused(tmp_path / "out", *EXPLAIN, tmp_path / "m.jsonl", *DIGITS)


def test_a_manifest_of_endless_cells(tmp_path):
    (tmp_path / "m.csv").write_text("path\n" + "x" * 200_000)
    refused(tmp_path / "out", *EXPLAIN, tmp_path / "m.csv", *DIGITS)


@pytest.mark.parametrize("digits", [20, 5000])
def test_labels_that_no_index_can_be(tmp_path, digits):
    (tmp_path / "m.csv").write_text(f"path,label\n{ONE_IMAGE},{'1' * digits}\n")
    done = run(*EXPLAIN, tmp_path / "m.csv", *DIGITS, "-o", tmp_path / "out")
    assert done.code == 0, done


def test_a_deep_job(tmp_path):
    (tmp_path / "job.toml").write_text(f"inputs = {DEEP}")
    assert "is not valid TOML" in refused(tmp_path / "out", "report", "--config", tmp_path / "job.toml")


def test_a_finished_report_whose_arrays_lie_elsewhere(tmp_path):
    for name in ("a", "b"):
        run("report", CNN, ONE_IMAGE, *DIGITS, "-o", tmp_path / name)
        file = tmp_path / name / "report.json"
        (stem,) = (path.name for path in (tmp_path / name / "arrays" / "000000").glob("*.npz"))
        other = f"../{'b' if name == 'a' else 'a'}/arrays/000000/{stem}"
        file.write_text(file.read_text().replace(f"arrays/000000/{stem}", other))
    assert "lie outside the report's folder" in refused(tmp_path / "out", "compare", tmp_path / "a", tmp_path / "b")


def test_damaged_exif_data(tmp_path):
    """Found by fuzzing: EXIF that is no TIFF."""
    Image.open(ONE_IMAGE).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + b"\xf9\x03t^\x9f\x95\x99\x1b")
    text = refused(tmp_path / "out", *EXPLAIN, tmp_path / "a.jpg", *DIGITS)
    assert "a.jpg" in text and "bug" not in text


def test_masks_of_a_structured_dtype(tmp_path):
    """Found by fuzzing."""
    np.savez(tmp_path / "a.npz", masks=np.zeros((1, 16, 16), "i4,f4"))
    metrics = ["--methods", "gradient", "--metrics", "pointing-game", "--masks", tmp_path / "a.npz"]
    (tmp_path / "in").mkdir()
    text = refused(tmp_path / "in" / "out", "evaluate", CNN, ONE_IMAGE, "--preprocess", PREPROCESS, *metrics)
    assert "hold no array `masks`" in text
