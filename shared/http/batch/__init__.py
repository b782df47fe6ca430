"""Batch: many changes in one request and one unit of work."""

from shared.http.batch.batch import BatchFailed, BatchResults, install_batch
from shared.http.batch.operations import is_batchable

__all__ = ["BatchFailed", "BatchResults", "install_batch", "is_batchable"]
