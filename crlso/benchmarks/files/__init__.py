"""Readers of the files of other projects: restricted pickles, TFRecords and boosters. No file is trusted."""
