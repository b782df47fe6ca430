"""What operators look at a deployment with: `trellis config`, `doctor` and `restored`, and how all commands speak."""

from app.operating.config import config_command
from app.operating.doctor import doctor_command
from app.operating.output import Exit, told_exit_codes
from app.operating.restored import RestoreError, restored_command

__all__ = ["Exit", "RestoreError", "config_command", "doctor_command", "restored_command", "told_exit_codes"]
