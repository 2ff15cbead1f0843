"""How fast this service is compared with the alternatives. Run `python -m benchmarks`; README.md explains."""
