"""Warnings and errors of this package that callers may want to catch by name."""

__all__ = ["ModelFileError", "OracleWarning"]


class OracleWarning(UserWarning):
    """An oracle that claims to be exact returned less than what was known already."""


class ModelFileError(ValueError):
    """A model file that is damaged, forged, or of another version."""
