"""Settings of the kernel and of modules, read from the environment. Only this room knows the variables' names."""

from shared.settings.files import files_of
from shared.settings.mail import MailSettings, folder_of, sender_of
from shared.settings.settings import ADVICE, Settings
from shared.settings.unknown import strangers
from shared.settings.variables import ModuleSettings, SettingsError, settings_of, variables_of

__all__ = [
    "ADVICE",
    "MailSettings",
    "ModuleSettings",
    "Settings",
    "SettingsError",
    "files_of",
    "folder_of",
    "sender_of",
    "settings_of",
    "strangers",
    "variables_of",
]
