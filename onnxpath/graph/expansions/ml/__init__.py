"""The domain ai.onnx.ml: what scikit-learn pipelines are exported to."""
