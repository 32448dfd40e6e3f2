"""The worker's calls, against a real HTTP server."""
