"""The Temporal shell around the journey core, and its worker."""
