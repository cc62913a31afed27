"""What docs/security.md promises, read from the sources: nothing unpickled or evaluated, no foreign code loaded."""

import ast
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from onnxpath.limits import Limits, variable
from onnxpath.report.write import file_stem

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*(ROOT / "onnxpath").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])
UNPICKLING = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
EVALUATING = {"eval", "exec", "compile", "__import__"}
FOREIGN = {"register_custom_ops_library", "load_library", "CDLL", "LoadLibrary"}
ALLOWED = {
    "onnxpath/runtime/providers.py": ["CDLL()"],
    "onnxpath/runtime/heap.py": ["CDLL()"],
    "onnxpath/report/workers/messages.py": ["imports {'pickle'}"],
}
"""Looks for CUDA's libraries, by names that stand in the source, and asks the C library that runs already; talks to
processes that it started."""
SHELL = {"system", "popen"}


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_sources(file):
    allowed = ALLOWED.get(file.relative_to(ROOT).as_posix(), [])
    problems = list(found_in(ast.parse(file.read_text(encoding="utf-8"))))
    assert not [problem for problem in problems if not problem.endswith(tuple(allowed) or "?")]


def found_in(tree):
    """Every line that runs what a file holds."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {node.module} if isinstance(node, ast.ImportFrom) else {alias.name for alias in node.names}
            if {str(name).partition(".")[0] for name in names} & UNPICKLING:
                yield f"line {node.lineno}: imports {names}"
        if isinstance(node, ast.Call):
            yield from (f"line {node.lineno}: {problem}" for problem in call_problems(node))


def call_problems(call):
    """What is wrong with a call."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    keywords = {keyword.arg: getattr(keyword.value, "value", None) for keyword in call.keywords}
    if isinstance(call.func, ast.Name) and name in EVALUATING:
        yield f"{name}()"
    if name in FOREIGN | SHELL:
        yield f"{name}()"
    if ast.unparse(call.func) in ("np.load", "numpy.load", "np.lib.format.read_array") and (
        keywords.get("allow_pickle", True) is not False
    ):
        yield "np.load without allow_pickle=False"
    if ast.unparse(call.func) == "torch.load" and keywords.get("weights_only") is not True:
        yield "torch.load of what may be pickled"
    if keywords.get("shell"):
        yield "a shell"


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
        "options.register_custom_ops_library(path)",
        "subprocess.run(text, shell=True)",
        "torch.load(path)",
    ],
)
def test_the_check_finds(text):
    assert list(found_in(ast.parse(text)))


@example("CON.png")
@example("a/nul.x.png")
@example("x" * 300 + "-" * 60)
@example("a." * 200)
@given(st.text() | st.from_regex(r"[./\\~a-zA-Z:]{1,20}", fullmatch=True))
def test_names_of_inputs_become_names_of_files(name):
    stem = file_stem(name)
    assert stem.isascii() and 0 < len(stem) <= 100 and not stem.startswith((".", "-"))
    assert Path(stem).name == stem and not set(stem) & set('/\\:*?"<>|\0\n')
    assert stem.partition(".")[0].upper() not in {"CON", "NUL", "PRN", "AUX", "COM1", "LPT1"}


@given(st.lists(st.text(max_size=80), unique=True, max_size=20))
def test_different_names_become_different_files(names):
    assert len({file_stem(name).lower() for name in names}) == len(names)


def test_limits_and_promises_are_documented():
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    for name in Limits.__dataclass_fields__:
        assert f"`{variable(name)}`" in text and f"{getattr(Limits(), name):,}".replace(",", " ") in text, name
