"""Data as users give them: checked, and packed for compiled code."""
