"""Plane arithmetic and dense kernels, used by all other rooms."""
