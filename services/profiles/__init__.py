"""The profiles service: who people are, what they did and what they said yes to."""
