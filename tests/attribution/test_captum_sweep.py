"""A part of the sweep over Captum's own test configurations (captum_sweep.py runs all of it)."""

import pytest

pytestmark = [
    pytest.mark.needs("torch", "onnxscript", "captum", "sklearn"),
    pytest.mark.filterwarnings("ignore"),  # Captum's, about its hooks
]


def test_every_eleventh_case_agrees_or_says_why_not():
    from tests.attribution.captum_cases import cases

    found = list(cases(every=11))
    assert len(found) == 26 and [case for case in found if case.status == "differs"] == []
    assert sum(case.status == "agrees" for case in found) >= 24
    assert all(case.why for case in found if case.status == "not applicable")


def test_the_sweep_sees_another_method(monkeypatch):
    from tests.attribution import captum_cases

    monkeypatch.setitem(captum_cases.SHARED, "GuidedGradCam", captum_cases.Shared("guided-backprop"))
    monkeypatch.setitem(captum_cases.SHARED, "LayerGradCam", captum_cases.Shared("hires-cam", "option"))
    monkeypatch.setattr(
        captum_cases, "config", [e for e in captum_cases.config if e["name"] == "conv_layer_single_target"]
    )
    found = {case.algorithm: case.status for case in captum_cases.cases()}
    assert [name for name, status in found.items() if status == "differs"] == ["LayerGradCam", "GuidedGradCam"]
