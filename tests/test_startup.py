"""Help and completion import nothing heavy, and type checkers see what is imported when it is first used."""

import ast
import importlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import onnxpath

HEAVY = {"onnx", "onnxruntime", "onnx_graphsurgeon", "numpy"}

PROGRAM = """
import json, runpy, sys
sys.argv = ["onnxpath", *{arguments}]
try:
    runpy.run_module("onnxpath_cli", run_name="__main__")
except SystemExit:
    pass
print(json.dumps(sorted({{name.split(".")[0] for name in sys.modules}})), file=sys.stderr)
"""

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("onnxpath_cli") is None, reason="onnxpath_cli is not installed: pip install -e ."
)


@pytest.mark.parametrize(
    ("arguments", "environment", "says"),
    [
        (["--help"], {}, "report"),
        (["report", "--help"], {}, "--preprocess"),
        ([], {"_ONNXPATH_COMPLETE": "complete_bash", "COMP_WORDS": "onnxpath re", "COMP_CWORD": "1"}, "report"),
    ],
    ids=["help", "help of a verb", "completion"],
)
def test_nothing_heavy_is_imported(arguments, environment, says):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(arguments=arguments)],
        env={**os.environ, **environment, "NO_COLOR": "1", "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert says in done.stdout, done.stderr
    assert not HEAVY & set(json.loads(done.stderr.splitlines()[-1]))


def test_type_checkers_and_editors_see_every_public_name():
    tree = ast.parse(Path(onnxpath.__file__).read_text(encoding="utf-8"))
    found = [
        node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module.startswith("onnxpath.")
    ]
    pairs = [(importlib.import_module(node.module), alias) for node in found for alias in node.names]
    seen = {alias.asname: getattr(module, alias.name) for module, alias in pairs}
    assert sorted([*seen, "__version__"]) == sorted(onnxpath.__all__)
    # The package `onnxpath.report` is itself what is called, and calls the function that is seen.
    assert [name for name, value in seen.items() if value is not getattr(onnxpath, name)] == ["report"]
