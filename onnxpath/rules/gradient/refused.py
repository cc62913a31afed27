"""Operators between floats that have no gradient rule, and what to do instead."""

from __future__ import annotations

from onnxpath.rules.gradient.table import gradient

gradient.refuse(
    "ConcatFromSequence",
    "SequenceAt",
    "SequenceConstruct",
    "SequenceErase",
    "SequenceInsert",
    "SequenceMap",
    "SplitToSequence",
    why="a sequence is followed only where its length and the place read are known; export with Split and Concat",
)
gradient.refuse("Optional", why="optional values are not followed; export the model without them")
gradient.refuse("Bernoulli", why="it draws, and the draw has no derivative by its probability; export for inference")
gradient.refuse("BitCast", why="it reads the bits of numbers as other numbers")
gradient.refuse("MelWeightMatrix", why="its bins jump with its edges; compute the matrix once and make it a constant")
gradient.refuse("Unique", why="how many values come out depends on the values; end the gradient before it with `of`")
