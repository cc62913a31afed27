"""Training a model anew in ONNX Runtime: the training program is generated from the model itself."""
