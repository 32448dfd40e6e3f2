"""Feeds on a real PostgreSQL, over HTTP."""
