"""Imports: uploads of any size, checked line by line, in one unit of work."""

from shared.http.imports.imports import ImportRoute, Imports, importing, lines_of

__all__ = ["ImportRoute", "Imports", "importing", "lines_of"]
