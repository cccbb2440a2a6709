"""Programs of which each allocation is refused in turn; ``python -m tests.memory`` runs them."""
