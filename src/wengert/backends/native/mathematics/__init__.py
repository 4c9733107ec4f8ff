"""Vector mathematics, written in IR."""
