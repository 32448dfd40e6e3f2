"""The segments service: who belongs to which segment, in real time and to the instant, and computed traits."""
