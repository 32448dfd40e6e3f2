"""What people wait for: listeners, watches, looking back, and what is met."""
