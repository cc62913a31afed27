"""The program that scores the neurons of a network that is masked already."""

from __future__ import annotations

from onnxpath.backward.walk import backward
from onnxpath.graph.surgery import mask_layers
from onnxpath.lowering.cast import accumulator, in_dtype
from onnxpath.pathway.programs import SCORE, Setup
from onnxpath.rules.masked import under_masks
from onnxpath.runtime.program import Program
from onnxpath.runtime.session import Session


def masked_contributions(setup: Setup) -> Session:
    """x, target, `mask_<layer>` of zeros and ones -> logits, `score_<layer>` = |masked activation · its gradient|."""

    def build() -> Program:
        graph, op = setup.start()
        masks = mask_layers(op, setup.layers)
        products = {name: mask.outputs[0].outputs[0] for name, mask in masks.items()}
        rules = under_masks(setup.model.rules, list(masks.values()))
        seeds = setup.seeds(op, graph.tensor(setup.logits))
        grads = backward(op, rules, seeds, [product.name for product in products.values()])
        for name, product in products.items():
            with op.serving(name, "score"):
                # Products of 16 bits may vanish or overflow where their factors do neither.
                wide, g = in_dtype(op, product, accumulator(product)), grads.get(product.name)
                g = op.like(0, wide) if g is None else in_dtype(op, g, accumulator(product))
                op.add_output(op.Abs(op.Mul(wide, g)), SCORE + name)
        return setup.finish(graph, op)

    return setup.session("masked contributions", build)
