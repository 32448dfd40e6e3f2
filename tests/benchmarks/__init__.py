"""Measurements, and what they are measured against."""
