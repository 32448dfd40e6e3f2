"""The commands, grouped by what they need: files alone, a simulation, or a running system."""
