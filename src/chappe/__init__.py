"""Chappe: a self-hosted network of end-to-end encrypted phone lines for organisations."""

from importlib.metadata import version

__version__ = version("chappe")
