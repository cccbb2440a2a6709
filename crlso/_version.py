"""The version of the package: setup.py, the C core and the metadata read it from here."""

__version__ = "0.1.0"
