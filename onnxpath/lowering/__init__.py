"""How a backward operator is spelled in ONNX, by execution provider, with the measurement that justifies it."""
