"""How fast this service is beside what a user would pick instead. Run `python -m benchmarks`; README.md explains."""
