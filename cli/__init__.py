"""The console script `reis`: the one place that knows every command."""
