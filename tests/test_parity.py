"""The table of comparisons with other implementations is what the tests recorded."""

from docs import make_parity
from tests.parity import record


def test_the_table_holds_the_largest_distance_and_names_what_missed(tmp_path, monkeypatch):
    monkeypatch.setenv("ONNXPATH_PARITY", str(tmp_path / "found"))
    assert record("gradient", "autograd", "net", "float32", 2e-5) == 2e-5
    record("gradient", "autograd", "net", "float32", 1e-5)
    record("gradient", "autograd", "net", "float64", 3e-9)
    record("lrp", "Zennit", "net", "float64", 2e-6)
    page = make_parity.page(make_parity.comparisons(tmp_path / "found"))
    assert "| gradient | autograd | net | 2.0e-05 | 3.0e-09 |\n| lrp | Zennit | net |  | 2.0e-06 |\n" in page
    assert "2 pairs of method and network; 1 within the goal" in page and "- lrp, Zennit, net\n" in page


def test_nothing_is_written_unless_asked(tmp_path, monkeypatch):
    monkeypatch.delenv("ONNXPATH_PARITY", raising=False)
    monkeypatch.chdir(tmp_path)
    record("gradient", "autograd", "net", "float32", 1e-5)
    assert not list(tmp_path.iterdir())
