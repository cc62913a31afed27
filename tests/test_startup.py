"""`onnxpath --help` and shell completion answer at once: nothing heavy is imported for them."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

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
