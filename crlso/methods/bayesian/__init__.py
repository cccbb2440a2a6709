"""Bayesian search, composed of an encoder, a surrogate, an acquisition and sources of candidates."""
