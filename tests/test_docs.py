"""What README and docs/ promise a reader: links lead somewhere, examples run, lists are whole."""

import inspect
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import onnxpath
from onnxpath.report.job.run import report
from tests import test_layers
from tests.cli.program import CNN, lay_out, run
from tests.models import FOLDER

ROOT = FOLDER.parent
DOCS = ROOT / "docs"
FOLDERS = ("docs", "benchmarks", "sample_models", "tests")
PAGES = sorted([ROOT / "README.md", *(page for name in FOLDERS for page in (ROOT / name).rglob("*.md"))])
EVERY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
VARIES = re.compile(r"'[^']*'|\b\d[\d×]*\b|[A-Z]{4,}|\w+\.png|operators?|QuantizeLinear")
"""What one text of an error has and another has not."""
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

RUN = ("onnxpath ", "mv ")
# Commands that need what a scratch folder has not: other models, texts, a GPU, clusters, the network.
ELSEWHERE = ("bert.onnx", "forest.onnx", "manifest", "part-aa", "--engine ray", "--web", "$ONNXPATH_DATA", "own.toml")


def text_of(page):
    return page.read_text(encoding="utf-8")


def blocks(page, language):
    """The code blocks of a page in one language."""
    return [body for name, body in BLOCK.findall(text_of(page)) if name == language]


def anchors(page):
    """What may follow # in a link to a page: its headings as GitHub spells them."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", text_of(page)), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).strip().replace(" ", "-") for heading in plain}


@EVERY_PAGE
def test_links_lead_somewhere(page):
    prose = re.sub(r"`[^`\n]*`", "", BLOCK.sub("", text_of(page)))
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: no such file"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("folder", [DOCS, DOCS / "results"], ids=["docs", "results"])
def test_the_index_has_every_page(folder):
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", text_of(folder / "README.md")))
    assert linked == {page.name for page in folder.glob("*.md")} - {"README.md"}


def test_the_python_page_has_every_public_name():
    names = [name for name, _, _ in rows_of_names()]
    assert sorted([*names, "__version__"]) == sorted(onnxpath.__all__)


def rows_of_names():
    """(public name, what is in its parentheses, what is said of it) of every row of the Python page."""
    return re.findall(r"^\| `(\w+)(?:\((.*?)\))?` \| (.*) \|$", text_of(DOCS / "python.md"), re.MULTILINE)


def test_the_python_page_has_arguments_and_attributes_that_exist():
    for name, given, said in rows_of_names():
        value = getattr(onnxpath, name)
        if isinstance(value, type):
            text = inspect.getsource(value)
            missing = [a for a in re.findall(r"`\.(\w+)", said) if not hasattr(value, a) and f" {a}: " not in text]
            assert not [a for a in missing if f"self.{a} = " not in text], name
        elif given:
            known = inspect.signature(report if name == "report" else value).parameters
            assert set(re.findall(r"(?:^|, )(\w+)", re.sub(r"\[.*?\]", "", given))) <= set(known), name


@pytest.mark.parametrize("name", ["README.md", "docs/python.md"])
def test_python_examples_run(name, tmp_path, monkeypatch, capsys):
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    shutil.copy(CNN, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    given = {"x": np.ones((1, 1, 16, 16), np.float32)}
    exec("\n".join(blocks(ROOT / name, "python")), given)
    assert capsys.readouterr().out


def commands(page):
    """The lines of a page's shell blocks that begin with a program of RUN, whole."""
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith(RUN) and not any(word in line for word in ELSEWHERE):
                yield line


@pytest.mark.parametrize("name", ["README.md", "docs/explainers.md", "docs/install.md", "docs/jobs.md"])
def test_commands_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lay_out(tmp_path)
    for block in blocks(ROOT / name, "toml"):
        Path("job.toml").write_text(block, encoding="utf-8")
    lines = list(commands(ROOT / name))
    assert lines
    for line in lines:
        if line.startswith("onnxpath"):
            done = run(*shlex.split(line, comments=True)[1:])
            assert done.code == 0, (line, done)
        else:
            subprocess.run(line, shell=True, check=True)


def test_the_errors_that_are_explained_are_raised():
    """Of each error on the page, a piece of some length, without names and numbers, is in the sources."""
    code = [text_of(file) for part in ("onnxpath", "cli") for file in sorted((ROOT / part).rglob("*.py"))]
    strings = re.sub(r'"\s*f?"', "", "\n".join(code))
    errors = re.findall(r"^\*\*`(.*)`\*\*$", text_of(DOCS / "troubleshooting.md"), re.MULTILINE)
    assert len(errors) > 5
    for error in errors:
        pieces = [piece.strip() for piece in re.split(VARIES, error)]
        assert any(piece in strings for piece in pieces if len(piece) >= 15), error


def test_the_files_of_the_architecture_exist():
    """Every file and folder that docs/architecture.md names is in the repository."""
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    if not files:
        pytest.skip("not a git checkout")
    (tree,) = [body for _, body in BLOCK.findall(text_of(DOCS / "architecture.md")) if "onnxpath/\n" in body]
    named = re.findall(r"[\w/-]+\.(?:py|toml|md)", tree)
    assert len(named) > 50
    missing = [name for name in named if not any(f"/{file}".endswith(f"/{name}") for file in files)]
    assert not missing


def test_the_order_of_imports_is_the_one_in_the_architecture():
    (line,) = re.findall(r"^(`errors, registry.*` < `cli`)\.$", text_of(DOCS / "architecture.md"), re.MULTILINE)
    written = [set(part.split(", ")) for part in re.findall(r"`([^`]+)`", line)]
    public, program = {"__init__"}, {"onnxpath_cli"}
    assert [*written[:-1], program] == [parts for parts in test_layers.ORDER if parts != public]
