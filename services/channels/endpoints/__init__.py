"""The HTTP endpoints of the channels service; each states its scope in its signature."""
