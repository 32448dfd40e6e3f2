"""Finds what should have started, moved on or ended and did not, mends it and counts it."""

from services.journeys.reconciling.reconciler import Reconciler

__all__ = ["Reconciler"]
