"""Benchmarks that others can run too: each a package with its protocol in the docstring."""
