"""The command line of onnxpath; the work is done by the package onnxpath."""
