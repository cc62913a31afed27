"""Operators that move values about: their rules are right for gradients and for relevance alike."""

from __future__ import annotations

MOVEMENT = (
    *("Identity", "Cast", "CastLike", "Dropout"),
    *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Tile"),
    *("Concat", "Split", "Slice", "Pad", "Trilu", "DepthToSpace", "SpaceToDepth", "ReverseSequence"),
    *("Gather", "GatherElements", "GatherND", "Compress", "Where"),
)

SELECTION = ("MaxPool", "GlobalMaxPool", "ReduceMax", "ReduceMin", "Max", "Min")
"""Operators whose output is one of their inputs' values: the winner takes all."""
