"""Many people who enter together: back-fills and occurrences of schedules."""
