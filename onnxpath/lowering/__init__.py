"""How a backward operator is spelled in ONNX, by execution provider, with the measurement that justifies it."""

# Spellings in a file of their own enter themselves when it is imported.
from onnxpath.lowering import depthwise as depthwise
