"""Batch: many changes in one request and one unit of work."""

from shared.http.batch.batch import install_batch

__all__ = ["install_batch"]
