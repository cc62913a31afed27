"""ONNX as data: load, canonize, emit, query, rewrite. Knows nothing of gradients."""
