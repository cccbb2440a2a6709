"""The parts of tests/layer_rules.py: one file for the rules on C, one for those on Python, and what these read."""
