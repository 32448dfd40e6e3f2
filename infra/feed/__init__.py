"""Ordered feeds over HTTP: an outbox on the producer's side, a durable cursor on the consumer's."""
