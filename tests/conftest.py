"""Shared fixtures: where the test data is, and marks for what a machine may lack."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
QUIET = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"]

# One mark per optional thing that a test may name: @pytest.mark.needs("torch").
BROWSER = "chromium"


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*names): skip, saying so, where a package or 'chromium' is missing")


def pytest_runtest_setup(item):
    if missing := absent(*(name for mark in item.iter_markers("needs") for name in mark.args)):
        pytest.skip(missing)


def absent(*names):
    """What a skipped test says: which of these are not there; empty where all are."""
    missing = [name for name in names if not present(name)]
    return f"not installed: {', '.join(missing)}" if missing else ""


def present(name):
    """Whether an importable package, or the browser, is there; nothing is imported."""
    return CHROMIUM is not None if name == BROWSER else importlib.util.find_spec(name) is not None


@pytest.fixture(scope="session")
def data_dir():
    """The folder of real models and images: $ONNXPATH_DATA, by default ../shared/data beside the repository."""
    folder = Path(os.environ.get("ONNXPATH_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no real models and images: set ONNXPATH_DATA to their folder")
    return folder


@pytest.fixture(scope="module")
def browser():
    """Chromium, without a page; for tests that need BROWSER and playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as engine:
        chromium = engine.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()
