"""Measurements of Trellis beside its peers, and of how it grows. `make bench`, `make bench-growth`."""
