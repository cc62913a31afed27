"""The domain com.microsoft: operators that ONNX Runtime's optimizer and its transformer tools write."""
