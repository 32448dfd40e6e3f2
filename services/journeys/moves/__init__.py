"""People on their way to another version or step: migrations, and moves by hand."""
