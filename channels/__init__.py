"""The providers' protocols behind one interface: what leaves, what came of it, and what providers report. No database."""
