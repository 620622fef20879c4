"""Drawings of a blueprint's graph, one module a format."""
