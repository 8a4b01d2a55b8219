"""Engines: who makes the oracle calls of a pass. They know problems, and nothing else."""
