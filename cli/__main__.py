"""`python -m onnxpath_cli`."""

from onnxpath_cli.main import app

app(prog_name="onnxpath")
