"""ONNX Runtime: providers, sessions, binding, batching. Nothing else in onnxpath imports it."""
