"""Class activation maps against Captum and the published formulas in torch, and where positions are found."""

from functools import cache

import numpy as np
import pytest

import onnxpath
from onnxpath.attribution.methods import METHODS
from onnxpath.attribution.methods.cam import CAMS
from onnxpath.attribution.registry import spelled_program
from onnxpath.pathway.programs import GRAD, Setup
from onnxpath.runtime.targets import resolve_target
from tests.attribution.shared import attribute
from tests.check import reference, to_double
from tests.models import relative, sample, sample_images
from tests.parity import record

NETWORKS = {
    "sample CNN": ("/Relu_2_output_0", 3),
    "sample ResNet": ("/block3/Relu_1_output_0", 3),
    "VGG-like": ("/6/Relu_output_0", 3),
    "ResNet-18-like": ("/2/Relu_output_0", 2),
    "1-D": ("/4/Relu_output_0", 3),
    "3-D": ("/3/Relu_output_0", 2),
}
"""Name -> the layer that is chosen, rows."""

TARGETS = [3, 0, 2]
needs_torch = pytest.mark.needs("torch", "onnxscript")
every_network = pytest.mark.parametrize("name", NETWORKS)


def made(name):
    """The torch module of a network that is not a sample, and the shape of a row."""
    import torch
    from torch import nn

    from tests.backward.architectures import network

    if name == "VGG-like":
        return network("vgg", 7), (3, 16, 16)
    if name == "ResNet-18-like":
        return network("resnet", 7), (3, 25, 18)
    torch.manual_seed(8)
    if name == "1-D":
        layers = [nn.Conv1d(2, 6, 3, padding=1), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(6, 8, 3), nn.ReLU()]
        return nn.Sequential(*layers, nn.AvgPool1d(2), nn.Flatten(), nn.Linear(16, 4)).eval(), (2, 13)
    layers = [nn.Conv3d(1, 4, 3, stride=2), nn.ReLU(), nn.Conv3d(4, 5, 2), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(5, 4)).eval(), (1, 9, 7, 10)


@cache
def case(name, folder):
    """(torch module, path of the same as ONNX, rows of input)."""
    import torch

    from sample_models.networks import from_onnx
    from tests.exporters.torch_export import export

    count = NETWORKS[name][1]
    if name.startswith("sample"):
        path = sample({"CNN": "digits_cnn", "ResNet": "digits_resnet"}[name.split()[1]])
        return from_onnx(path).requires_grad_(False), path, sample_images()[:count]
    module, shape = made(name)
    x = torch.randn(count, *shape, generator=torch.Generator().manual_seed(5))
    path = folder / f"{name}.onnx"
    export(module, (x,), path, "legacy", symbolic=True)
    return module.requires_grad_(False), path, x.numpy()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cam")


# ---------------------------------------------------------------------------------------------- the published formulas


def grad_cam(a, g, places):
    return (g.mean(places, keepdim=True) * a).sum(1, keepdim=True).relu()


def grad_cam_plus_plus(a, g, places):
    """Equations 5 and 19 of the paper, without the factor exp(score)."""
    below = 2 * g**2 + (a.sum(places, keepdim=True) * g**3)
    alpha = (g**2 / below).where(g != 0, 0)
    return ((alpha * g.relu()).sum(places, keepdim=True) * a).sum(1, keepdim=True).relu()


def hires_cam(a, g, places):
    return (g * a).sum(1, keepdim=True)


def xgrad_cam(a, g, places):
    weights = (g * a / a.sum(places, keepdim=True)).nan_to_num(0).sum(places, keepdim=True)
    return (weights * a).sum(1, keepdim=True).relu()


def layer_cam(a, g, places):
    return (g.relu() * a).sum(1, keepdim=True).relu()


FORMULAS = {
    "grad-cam": grad_cam,
    "grad-cam-plus-plus": grad_cam_plus_plus,
    "hires-cam": hires_cam,
    "xgrad-cam": xgrad_cam,
    "layer-cam": layer_cam,
    "guided-grad-cam": grad_cam,
}


def by_formula(module, x, targets, method):
    """A method on the outputs of the last ReLU with positions, in float64."""
    import torch
    from torch import nn
    from torch.overrides import TorchFunctionMode

    class Guided(torch.autograd.Function):
        @staticmethod
        def forward(ctx, y):
            return y.clone()

        @staticmethod
        def backward(ctx, dy):
            return dy.clamp(min=0)

    class Tap(TorchFunctionMode):
        def __init__(self, guided):
            super().__init__()
            self.guided, self.layers = guided, []

        def __torch_function__(self, function, types, args=(), kwargs=None):
            y = function(*args, **(kwargs or {}))
            if function in (torch.relu, torch.Tensor.relu, nn.functional.relu):
                y = Guided.apply(y) if self.guided else y
                self.layers += [y] if y.ndim > 2 else []
            return y

    def gradient(guided):
        point = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        with Tap(guided) as tap:
            score = module.double()(point)[range(len(x)), targets].sum()
        a = tap.layers[-1]
        return a, *torch.autograd.grad(score, [a, point])

    a, g, _ = gradient(False)
    cam = FORMULAS[method](a, g, tuple(range(2, a.ndim)))
    mode = {3: "linear", 4: "bilinear", 5: "trilinear"}[a.ndim]
    wide = nn.functional.interpolate(cam, x.shape[2:], mode=mode, align_corners=False)
    found = wide * gradient(True)[2] if method == "guided-grad-cam" else wide
    module.float()
    return found.detach().numpy()


def in_float64(path, x, targets, method):
    model = onnxpath.load(path, providers="cpu")
    goal = resolve_target(model, targets, len(x))
    program = to_double(spelled_program(METHODS.get(method).spell, Setup.of(model, goal, layers=())))
    feeds = {model.inputs[0].name: x.astype(np.float64), **goal.feed(slice(None))}
    return reference(program, feeds)[GRAD + model.inputs[0].name]


@needs_torch
@pytest.mark.parametrize("method", CAMS)
@every_network
def test_published_formula(name, method, folder):
    module, path, x = case(name, folder)
    targets = TARGETS[: len(x)]
    expected = by_formula(module, x, targets, method)
    found = attribute(path, x, method, targets)
    assert np.abs(expected).max() > 0
    assert found.values.dtype == np.float32
    assert relative(found.values, expected) <= 1e-4
    record(method, "published formula", name, "float32", relative(found.values, expected))
    distance = relative(in_float64(path, x, targets, method), expected)
    assert record(method, "published formula", name, "float64", distance) <= 1e-6


# ------------------------------------------------------------------------------------------------------------- Captum


def hooked(name, module):
    """The torch layer for Captum, and its tensor; None for the one that is chosen."""
    at = {"sample ResNet": "block3", "VGG-like": "6", "ResNet-18-like": "2", "1-D": "4", "3-D": "3"}.get(name)
    return (module.conv3, "/conv3/Conv_output_0") if at is None else (module.get_submodule(at), None)


@pytest.mark.needs("torch", "onnxscript", "captum")
@pytest.mark.parametrize(("relu", "interpolate"), [(True, "linear"), (False, "nearest")])
@every_network
def test_grad_cam_is_captum_s(name, relu, interpolate, folder):
    import torch
    from captum.attr import LayerAttribution, LayerGradCam

    module, path, x = case(name, folder)
    targets = TARGETS[: len(x)]
    layer, tensor = hooked(name, module)
    point = torch.tensor(x, requires_grad=True)
    cam = LayerGradCam(module, layer).attribute(point, targets, relu_attributions=relu)
    mode = interpolate if interpolate == "nearest" else {3: "linear", 4: "bilinear", 5: "trilinear"}[cam.ndim]
    expected = LayerAttribution.interpolate(cam, x.shape[2:], mode).detach().numpy()
    options = {"layer": tensor, "relu_attributions": relu, "interpolate": interpolate}
    found = attribute(path, x, "grad-cam", targets, **options)
    assert np.abs(expected).max() > 0
    assert record("grad-cam", "Captum LayerGradCam", name, "float32", relative(found.values, expected)) <= 1e-4


@pytest.mark.needs("torch", "onnxscript", "captum")
@pytest.mark.filterwarnings("ignore:Setting backward hooks")
@pytest.mark.parametrize("interpolate", ["linear", "nearest"])
@pytest.mark.parametrize("name", ["VGG-like", "1-D", "3-D"])
def test_guided_grad_cam_is_captum_s(name, interpolate, folder):
    """On networks whose ReLUs are modules, as Captum's guided backprop wants them."""
    import torch
    from captum.attr import GuidedGradCam

    module, path, x = case(name, folder)
    targets = TARGETS[: len(x)]
    mode = interpolate if interpolate == "nearest" else {3: "linear", 4: "bilinear", 5: "trilinear"}[x.ndim]
    guided = GuidedGradCam(module, hooked(name, module)[0])
    expected = guided.attribute(torch.tensor(x, requires_grad=True), targets, interpolate_mode=mode).detach().numpy()
    found = attribute(path, x, "guided-grad-cam", targets, interpolate=interpolate)
    assert np.abs(expected).max() > 0 and found.values.shape == x.shape
    distance = relative(found.values, expected)
    assert record("guided-grad-cam", "Captum GuidedGradCam", name, "float32", distance) <= 1e-4


# ------------------------------------------------------------------------------------------- layers and their positions


@needs_torch
@every_network
def test_the_chosen_layer_is_named(name, folder):
    _, path, x = case(name, folder)
    notes = attribute(path, x, "grad-cam").notes
    assert len(notes) == 1 and f"'{NETWORKS[name][0]}'" in notes[0]
    assert attribute(path, x, "grad-cam", layer=NETWORKS[name][0]).notes == []


@pytest.mark.parametrize(
    ("file", "layer"),
    [
        ("squeezenet1_1", "/features/features.12/Concat_output_0"),
        ("mobilenet_v2_1.0_224", "/Clip_34_output_0"),
        ("resnet20_cifar10", "/layer3/layer3.2/Relu_1_output_0"),
        ("mnist8_cntk", "ReLU114_Output_0"),
    ],
)
def test_the_chosen_layer_of_real_models(file, layer, data_dir):
    """Before the classifier (a convolution in SqueezeNet), both branches of a Concat, before a pool."""
    from onnxpath.graph.positions import last_layer

    model = onnxpath.load(data_dir / "models" / f"{file}.onnx", providers="cpu")
    assert last_layer(model.graph, model.sources, model.readout().name) == layer
