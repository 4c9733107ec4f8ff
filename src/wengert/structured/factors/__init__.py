"""Factorisations, one file a kind of structure."""
