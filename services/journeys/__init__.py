"""The journeys service: definitions and versions, enrolments, waits, decisions; starts and signals workflows."""
