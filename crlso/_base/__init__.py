"""Helpers that do not depend on cells: files, registries, lazy imports and argument checks."""
