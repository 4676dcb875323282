"""Optimisers of our own."""
