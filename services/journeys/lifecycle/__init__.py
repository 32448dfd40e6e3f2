"""Versions and states of journeys, from draft to archive, and who changed what."""
