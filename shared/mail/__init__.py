"""Mail: what one is, the templates that it is made of, and how it is sent.

It is sent from a job: a module publishes an event and handles it later (`shared.jobs`), so a mail goes when the change
is kept, and again when the server could not take it. The room knows no module, no account, and no queue.
"""

from shared.mail.mail import Mail
from shared.mail.mailer import Mailer, MailNotSent
from shared.mail.templates import Templates

__all__ = ["Mail", "MailNotSent", "Mailer", "Templates"]
