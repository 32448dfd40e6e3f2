"""The command `reis`."""
