"""Sixty days of a publisher's and a pet shop's customers, played on the fast clock through the whole system."""
