"""The profiles service on a real PostgreSQL."""
