"""Performing steps: decisions made once and kept, calls to the world, results."""
