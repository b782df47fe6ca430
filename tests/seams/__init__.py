"""What we rely on and no dependency promises, a file a dependency. docs/SEAMS.md lists it."""
