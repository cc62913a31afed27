"""Explanations as files: a method and its model as one ONNX model that runs without onnxpath."""
