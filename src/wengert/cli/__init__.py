"""The command line."""

from wengert.cli.app import app, main

__all__ = ["app", "main"]
