"""What a workflow may do to the world: calls to our own services."""
