"""Readers of foreign files: pickles under restrictions, TFRecords, boosters; whatever is in them is not trusted."""
