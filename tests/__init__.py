"""The tests: they mirror the packages, plus whole-system tests in e2e and measurements in benchmarks."""
