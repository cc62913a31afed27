"""What every exporter's test shares: a session of a gradient graph, and when two gradients are the same."""

import numpy as np
import onnxruntime


def session_of(model):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), settings, providers=["CPUExecutionProvider"])


def assert_same_gradient(found, expected):
    """By relative L2 and cosine of each row: a ReLU or a max-pool on its kink may move single elements."""
    assert found.shape == expected.shape and found.dtype == expected.dtype == np.float32
    for a, b in zip(found.reshape(len(found), -1), expected.reshape(len(expected), -1), strict=True):
        assert np.linalg.norm(b) > 0
        assert np.linalg.norm(a - b) <= 1e-2 * np.linalg.norm(b)
        assert a @ b >= 0.9999 * np.linalg.norm(a) * np.linalg.norm(b)
