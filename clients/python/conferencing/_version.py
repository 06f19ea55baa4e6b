"""The client's version, as its distribution has it."""

__version__ = "0.1.0"
