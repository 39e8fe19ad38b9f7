"""Dock widgets, one module each."""
