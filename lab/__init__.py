"""The application: it shows experiments, runs them on a background thread, and serves them on the command line."""

__version__ = "0.1.0"
