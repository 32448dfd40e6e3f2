"""The Temporal shell, on a real server, with a scripted journeys service."""
