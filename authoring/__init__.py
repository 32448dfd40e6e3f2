"""Journeys as code: folders of definitions checked, tried, compared with a running system, and brought there."""
