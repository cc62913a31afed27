"""What the network gives without an explanation: its last activations, and its gradient made smooth."""

from __future__ import annotations

import numpy as np

from onnxpath.attribution.attribute import attribute
from onnxpath.errors import ModelError
from onnxpath.evaluation.baselines.chance import BLUR
from onnxpath.evaluation.filters import gaussian, resized
from onnxpath.evaluation.registry import baseline
from onnxpath.evaluation.subject import Subject
from onnxpath.pathway.programs import ACTIVATION, Setup
from onnxpath.runtime.session import Array


@baseline("activation-only")
def activation_only(subject: Subject) -> Array:
    """Sum of magnitudes over the channels of the last neuron layer with height and width, resized linearly.

    It knows where the network is active, and nothing of the class.
    """
    spatial = subject.layout.spatial
    model = subject.model
    layers = [n for n in model.layers(subject.output) if len(n.shape) == 3 and n.channel_axis in (1, 3)]
    if not layers:
        raise ModelError("no neuron layer has channels, height and width")
    layer = layers[-1]
    program = Setup.of(model, subject.target, layers=[layer]).activations()
    parts = [
        program.run(part)[ACTIVATION + layer.name][: rows.stop - rows.start]
        for part, rows in model.batches(subject.feeds)
    ]
    return resized(np.abs(np.concatenate(parts)).sum(layer.channel_axis, dtype=np.float64), spatial)


@baseline("blurred-gradient")
def blurred_gradient(subject: Subject) -> Array:
    """The gradient, each channel blurred by a Gaussian of a sixteenth of the longest side."""
    result = attribute(subject.model, subject.feeds, subject.target.values, "gradient", subject.output)
    planes = subject.layout.planes(np.ascontiguousarray(result.maps[subject.source], np.float64))
    spatial = subject.layout.spatial
    blurred = gaussian(planes.reshape(*planes.shape[:2], *spatial), max(spatial) / BLUR)
    return subject.layout.rows(blurred.reshape(planes.shape))
