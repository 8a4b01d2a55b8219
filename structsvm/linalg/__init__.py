"""Plane arithmetic and the dense kernels below every other layer."""
