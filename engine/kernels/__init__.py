"""The kernels of each executor."""
