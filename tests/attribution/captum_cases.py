"""Captum's own test configurations on onnxpath: each case of captum.testing, its model exported to ONNX."""

import tempfile
import warnings
from dataclasses import dataclass, field

import captum.attr
import numpy as np
import torch
from captum.testing.attr.helpers.test_config import config

import onnxpath
from onnxpath.attribution.methods import METHODS
from tests.attribution.captum_export import exported, network, tuple_of
from tests.models import relative

LIMIT = 1e-3
DRAWN = 0.1
"""Relative L2 below which maps agree; the second where both sides draw random numbers of their own."""


@dataclass(frozen=True)
class Shared:
    """What one of Captum's algorithms is called here.

    at: whose map it is, "input" | "layer" (named in `wrt`, baselines at the layer) | "option" (named in `layer`) |
    "neuron" (the layer is the output) | "predictor" (Captum's own algorithm, calling onnxpath); options: fixed ones;
    limit: see LIMIT; magnitude: Captum gives absolute values.
    """

    method: str
    at: str = "input"
    options: dict = field(default_factory=dict)
    limit: float = LIMIT
    magnitude: bool = False


EPSILON = {"composite": "lrp-epsilon", "epsilon": 1e-9}
CAM = {"relu_attributions": False, "interpolate": "nearest"}

SHARED = {
    "Saliency": Shared("gradient", magnitude=True),
    "InputXGradient": Shared("input-x-gradient"),
    "IntegratedGradients": Shared("integrated-gradients"),
    "GuidedBackprop": Shared("guided-backprop"),
    "Deconvolution": Shared("deconvnet"),
    "LRP": Shared("lrp", options=EPSILON),
    "DeepLift": Shared("deeplift"),
    "DeepLiftShap": Shared("deeplift-shap"),
    "GradientShap": Shared("gradient-shap", limit=DRAWN),
    "FeatureAblation": Shared("feature-ablation"),
    "Occlusion": Shared("occlusion"),
    "ShapleyValueSampling": Shared("shapley-value-sampling"),
    "GuidedGradCam": Shared("guided-grad-cam", "option", {"interpolate": "nearest"}),
    "LayerGradCam": Shared("grad-cam", "option", CAM),
    "LayerActivation": Shared("layer-activation", "option"),
    "LayerGradientXActivation": Shared("layer-gradient-x-activation", "option"),
    "LayerConductance": Shared("conductance", "option"),
    "InternalInfluence": Shared("internal-influence", "option"),
    "LayerIntegratedGradients": Shared("integrated-gradients", "layer"),
    "LayerDeepLift": Shared("deeplift", "layer"),
    "LayerDeepLiftShap": Shared("deeplift-shap", "layer"),
    "LayerGradientShap": Shared("gradient-shap", "layer", limit=DRAWN),
    "LayerFeatureAblation": Shared("feature-ablation", "layer", {"baselines": 0}),
    "LayerLRP": Shared("lrp", "layer", EPSILON),
    "NeuronConductance": Shared("neuron-conductance", "option"),
    "NeuronGradient": Shared("gradient", "neuron"),
    "NeuronIntegratedGradients": Shared("integrated-gradients", "neuron"),
    "NeuronGuidedBackprop": Shared("guided-backprop", "neuron"),
    "NeuronDeconvolution": Shared("deconvnet", "neuron"),
    "NeuronDeepLift": Shared("deeplift", "neuron"),
    "NeuronDeepLiftShap": Shared("deeplift-shap", "neuron"),
    "NeuronGradientShap": Shared("gradient-shap", "neuron", limit=DRAWN),
    "NeuronFeatureAblation": Shared("feature-ablation", "neuron"),
    "Lime": Shared("predictor", "predictor"),
    "KernelShap": Shared("predictor", "predictor"),
    "FeaturePermutation": Shared("predictor", "predictor"),
}

OUTSIDE = (
    "defined otherwise: Captum multiplies relevance by the derivative of arithmetic that is in no module (here factors "
    "and a sum of inputs), so that it is not conserved; onnxpath passes it on, and shares it in a sum"
)
PER_ROW = "a baseline's layer depends on a further input of the row, so there is no one distribution at the layer"

DRAWS = 2000
"""Of GradientShap on both sides, in place of fewer."""

OPTIONS = ("baselines", "sliding_window_shapes", "n_samples", "stdevs")
"""Arguments of Captum that are options here under the same name; the others only cut the work into pieces."""


@dataclass(frozen=True)
class Case:
    """One algorithm on one configuration.

    status: "agrees" | "differs" | "not applicable", with the reason in why; zero: Captum's maps are zero everywhere.
    """

    config: str
    algorithm: str
    status: str
    distance: float | None = None
    why: str = ""
    zero: bool = False


def listed(value):
    """All arrays in a tensor, or in tuples and lists of tensors, in order."""
    if isinstance(value, torch.Tensor):
        return [value.detach().numpy()]
    return [array for part in value for array in listed(part)]


def arguments_of(entry, algorithm):
    """The arguments of Captum's call, with enough draws, and a quadrature whose weights sum to one."""
    drawn = {"n_samples": DRAWS} if "gradientshap" in algorithm.replace("-", "").lower() else {}
    quadrature = {"method": "gausslegendre"} if algorithm == "NeuronConductance" else {}
    return entry["attribute_args"] | drawn | quadrature


def through(made):
    """The network as a function of tensors that onnxpath's predictor computes."""
    predict = onnxpath.predictor(onnxpath.load(made.proto, providers="cpu"), output=made.result)

    def forward(*given):
        tensors = [t.numpy() for t in given if isinstance(t, torch.Tensor)]
        return torch.tensor(predict(dict(zip(made.feeds, tensors, strict=True))))

    return forward


def by_captum(entry, algorithm, model=None):
    """Captum's maps, as arrays; model: a function in place of the network."""
    arguments = arguments_of(entry, algorithm)
    model = model or network(entry)
    layers = [model.get_submodule(name) for name in tuple_of(entry.get("layer"))]
    layer = [layers if len(layers) > 1 else layers[0]] if layers else []
    made = getattr(captum.attr, algorithm)(model, *layer)
    if algorithm == "ShapleyValueSampling":
        # The orders that onnxpath draws.
        rng = np.random.default_rng(0)
        made.permutation_generator = lambda count, draws: (rng.permutation(count).tolist() for _ in range(draws))
    if entry.get("noise_tunnel"):
        made = captum.attr.NoiseTunnel(made)
    torch.manual_seed(0)
    np.random.seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return listed(made.attribute(**arguments))


def target_of(entry, model, exported):
    """The target as onnxpath takes it: indices into the flattened row."""
    wanted = entry["attribute_args"].get("target")
    if wanted is None:
        return 0
    if isinstance(wanted, torch.Tensor):
        return wanted.numpy() if wanted.numel() > 1 else int(wanted)
    return wanted


def neuron_of(entry, values):
    """A neuron as a target; a slice, or a function that adds neurons up, as the cotangent that is its gradient."""
    wanted = entry["attribute_args"]["neuron_selector"]
    picked = tuple_of(wanted)
    if not callable(wanted) and all(isinstance(i, int) for i in picked):
        return picked
    layer = torch.tensor(values, requires_grad=True)
    total = wanted(layer) if callable(wanted) else layer[(slice(None), *picked)]
    return torch.autograd.grad(total.sum(), layer)[0].numpy()


def by_onnxpath(entry, shared, made):
    """onnxpath's maps, as arrays in Captum's order; a text says why there is no such thing."""
    arguments, known = arguments_of(entry, shared.method), METHODS.get(shared.method).defaults
    options = shared.options | {k: plain(arguments[k]) for k in OPTIONS if k in arguments and k in known}
    if isinstance(options.get("baselines"), tuple):
        options["baselines"] = dict(zip(made.inputs, options["baselines"], strict=True))
    method = shared.method
    if entry.get("noise_tunnel"):
        options = {k: v for k, v in options.items() if k not in ("n_samples", "stdevs")} | {"base": method}
        options |= {"n_samples": arguments["nt_samples"], "stdevs": arguments["stdevs"]}
        method = "smoothgrad"
    tensors = [name for layer in tuple_of(entry.get("layer")) for name in made.outputs[layer]]
    model = onnxpath.load(made.proto, providers="cpu")

    def maps(output, target, wrt, **more):
        found = onnxpath.attribute(model, made.feeds, target, method, output, wrt, **options | more)
        return list(found.maps.values())

    target = target_of(entry, model, made)
    if shared.at == "neuron":
        (tensor,) = tensors
        return maps(tensor, neuron_of(entry, values_at(made, [tensor], None)[tensor]), made.inputs)
    if shared.at == "option":
        if "neuron" in known:
            options["neuron"] = tuple_of(arguments["neuron_selector"])
        return [m for tensor in tensors for m in maps(made.result, target, made.inputs, layer=tensor)]
    if shared.at == "layer":
        if "baselines" in known and "baselines" not in shared.options:
            if len(made.feeds) > len(made.inputs) and entry.get("baseline_distr"):
                return PER_ROW
            options["baselines"] = values_at(made, tensors, options.get("baselines"))
        return maps(made.result, target, tensors)
    return maps(made.result, target, made.inputs)


def values_at(made, tensors, baselines):
    """Layers at the baselines of the input, default 0."""
    given = (
        baselines if isinstance(baselines, dict) else dict.fromkeys(made.inputs, 0 if baselines is None else baselines)
    )
    feeds = dict(made.feeds)
    for name, value in given.items():
        feeds[name] = np.broadcast_to(value, feeds[name].shape if np.ndim(value) == 0 else value.shape)
    rows = max(len(feeds[name]) for name in made.inputs)
    feeds = {k: np.ascontiguousarray(v[:rows], np.float32) for k, v in feeds.items()}
    session = onnxpath.load(onnxpath.expose(made.proto, tensors), providers="cpu")
    found = session.session("exposed", session.graph.to_model).run(session.feeds(feeds), tensors)
    return {name: found[name] for name in tensors}


def plain(value):
    """torch to numpy, inside tuples too."""
    if isinstance(value, tuple) and any(isinstance(v, torch.Tensor) for v in value):
        return tuple(map(plain, value))
    return value.numpy() if isinstance(value, torch.Tensor) else value


def upsampled(maps, shape):
    """Captum's Grad-CAM has the layer's positions; onnxpath's are the input's."""
    return [captum.attr.LayerAttribution.interpolate(torch.tensor(m), shape[2:]).numpy() for m in maps]


def compared(entry, algorithm, made):
    """The Case of one algorithm on one exported configuration."""
    shared = SHARED.get(algorithm)
    if shared is None:
        return Case(entry["name"], algorithm, "not applicable", why="not in the catalogue")
    if algorithm in ("LayerGradCam", "GuidedGradCam") and made.feeds["x0"].ndim < 3:
        return Case(entry["name"], algorithm, "not applicable", why="the layer has no positions")
    own = shared.at == "predictor"
    found = by_captum(entry, algorithm, through(made)) if own else by_onnxpath(entry, shared, made)
    if isinstance(found, str):
        return Case(entry["name"], algorithm, "not applicable", why=found)
    expected = by_captum(entry, algorithm)
    expected = upsampled(expected, made.feeds["x0"].shape) if algorithm == "LayerGradCam" else expected
    found = [np.abs(m) for m in found] if shared.magnitude else found
    assert len(found) == len(expected), (len(found), len(expected))
    distance = max(relative(f, e) for f, e in zip(found, expected, strict=True))
    if distance > LIMIT and algorithm == "LRP" and "additional_forward_args" in entry["attribute_args"]:
        return Case(entry["name"], algorithm, "not applicable", distance, OUTSIDE)
    zero = not any(np.any(e) for e in expected)
    return Case(entry["name"], algorithm, "agrees" if distance <= shared.limit else "differs", distance, zero=zero)


def cases(every=1):
    """Yield a Case for every algorithm of each configuration; every: of how many one is taken."""
    count = 0
    for entry in config:
        made = None
        for algorithm in entry["algorithms"]:
            count += 1
            if count % every:
                continue
            with tempfile.TemporaryDirectory() as folder:
                made = made or exported(entry, folder)
            try:
                yield compared(entry, algorithm.__name__, made)
            except Exception as error:  # what one case raises is its result
                yield Case(entry["name"], algorithm.__name__, "differs", why=f"{type(error).__name__}: {error}")
