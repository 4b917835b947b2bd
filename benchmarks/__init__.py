"""What Postroom is measured by: ``python -m benchmarks``, or ``make bench``."""
