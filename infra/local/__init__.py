"""The whole system on one machine: embedded PostgreSQL, Temporal's dev server and every role under one supervisor."""
