"""Where explainers run without Python: what there is of ONNX Runtime's JavaScript packages, and a page server.

ONNXPATH_NODE_MODULES names a folder that `npm install --ignore-scripts onnxruntime-web onnxruntime-node` has filled.
Tests write down what agreed where ONNXPATH_EXPLAINERS names a file; docs/make_explainers.py makes a page of it.
"""

import functools
import http.server
import json
import os
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from onnxpath.attribution.methods import METHODS

FOLDER = os.environ.get("ONNXPATH_NODE_MODULES")
WHY = "ONNXPATH_NODE_MODULES names no folder with onnxruntime-web and onnxruntime-node"
WEB = Path(FOLDER or ".") / "onnxruntime-web" / "dist"
NODE = Path(FOLDER or ".") / "onnxruntime-node"
needs_packages = pytest.mark.skipif(not FOLDER, reason=WHY)

OPTIONS = {"integrated-gradients": {"n_steps": 8}}
"""Where the default takes long."""
LAYER = {
    "digits_cnn": "/Relu_1_output_0",
    "digits_resnet": "/block2/Relu_output_0",
    "digits_vit": "/blocks/blocks.0/Mul_1_output_0",
}


def exportable():
    """The methods that can be one file."""
    return [name for name in METHODS.names() if METHODS.get(name).exportable]


def options_of(method, layer):
    """Options that make a method small, and those that it needs."""
    needed = {"layer": layer} if method.startswith("layer-") else {}
    return {**OPTIONS.get(method, {}), **needed}


def record(method, place, distance):
    """Append how far a place's map is from Python's, and return it."""
    if path := os.environ.get("ONNXPATH_EXPLAINERS"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"method": method, "place": place, "distance": float(distance)}) + "\n")
    return distance


def plain(feeds):
    """Inputs as JSON."""
    return {k: {"type": str(v.dtype), "dims": list(v.shape), "data": v.reshape(-1).tolist()} for k, v in feeds.items()}


def arrays(outputs):
    """What came back, as arrays."""
    return {k: np.asarray(v["data"]).reshape(v["dims"]) for k, v in outputs.items()}


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextmanager
def served(folder):
    """Serve a folder, and yield its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
