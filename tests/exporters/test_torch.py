"""Networks as torch's two exporters write them, with fixed and with symbolic batch, against autograd.

The dynamo exporter's fixed batch is left to the whole matrix: `python -m pytest tests/exporters -m ""`.
"""

import logging

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: its exporters have no tests")
pytest.importorskip("onnxscript", reason="onnxscript is not installed: torch's dynamo exporter needs it")

from tests.conftest import present  # noqa: E402
from tests.exporters.networks import FROM_TRANSFORMERS, NETWORKS, network, rows  # noqa: E402
from tests.exporters.torch_export import check, export  # noqa: E402

FIXED, SYMBOLIC = 2, (1, 2, 5)
LEFT_OUT = pytest.mark.whole_matrix
FORMS = [
    pytest.param("legacy", False, id="legacy-fixed"),
    pytest.param("legacy", True, id="legacy-symbolic"),
    pytest.param("dynamo", False, id="dynamo-fixed", marks=LEFT_OUT),
    pytest.param("dynamo", True, id="dynamo-symbolic"),
]


@pytest.fixture(autouse=True)
def quiet_single_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # its threads go on spinning beside what runs next
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)
    torch.set_num_threads(before)


@pytest.mark.parametrize(("exporter", "symbolic"), FORMS)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.filterwarnings("ignore")  # the exporters' and transformers' own
def test_the_gradient_is_autograd_s(name, exporter, symbolic, tmp_path):
    if name in FROM_TRANSFORMERS and not present("transformers"):
        pytest.skip("not installed: transformers")
    shapes = NETWORKS[name][1:]
    module, path = network(name), tmp_path / "model.onnx"
    export(module, rows(shapes, FIXED), path, exporter, symbolic)
    check(path, module, [rows(shapes, count) for count in (SYMBOLIC if symbolic else [FIXED])])
