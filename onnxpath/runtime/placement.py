"""Where ONNX Runtime puts each node: provider by provider, with CPU fallbacks and copies."""

from __future__ import annotations

from dataclasses import dataclass

import onnx
import onnxruntime as ort

from onnxpath.errors import ModelError
from onnxpath.runtime.providers import NAMES, offers
from onnxpath.runtime.session import session_options


@dataclass(frozen=True)
class Placement:
    """providers: provider -> node names; fallbacks: nodes on the CPU though CUDA was asked for; copies: tensors that
    one provider makes and another reads."""

    providers: dict[str, list[str]]
    fallbacks: list[str]
    copies: list[str]


def placement(model: onnx.ModelProto, provider: str) -> Placement:
    """Open a session of the program at basic optimisation, which keeps node names, and ask where its nodes are."""
    options = session_options("basic")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=offers(provider))
    except Exception as error:
        # ONNX Runtime raises its own classes, one per status; all mean that the program was refused.
        raise ModelError(f"ONNX Runtime does not load the model: {error}") from error
    providers: dict[str, list[str]] = {}
    for part in session.get_provider_graph_assignment_info():
        providers.setdefault(part.ep_name, []).extend(node.name for node in part.get_nodes())
    home = {name: ep for ep, nodes in providers.items() for name in nodes}
    made = {tensor: home.get(node.name) for node in model.graph.node for tensor in node.output}
    copies = sorted(
        {
            tensor
            for node in model.graph.node
            for tensor in node.input
            if made.get(tensor) and home.get(node.name) and made[tensor] != home[node.name]
        }
    )
    fallbacks = providers.get(NAMES["cpu"], []) if provider == "cuda" else []
    return Placement(providers, fallbacks, copies)
