"""What stops a command of the migrations."""


class MigrationError(Exception):
    """The migrations cannot be run or written; the message says why. Nothing was changed, unless it says what was."""
