"""What knows nothing of cells: files, registries, lazy imports, checks of arguments."""
