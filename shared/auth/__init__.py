"""Who calls, and what they may do.

Access tokens, API keys and their scopes, passwords, the principal, the gate by which a statement checks the session,
and the policy table of a resource. It knows sessions, keys and accounts only by the statements that their module
contributes, and knows no HTTP.
"""

from shared.auth.api_keys import PATTERN, SHOWN, digest_of, known_keys, new_key
from shared.auth.authentication import Authenticator, admitted, gate, live_sessions
from shared.auth.belonging import RESOURCES, policy_of, role_on
from shared.auth.passwords import Passwords, TooManySignIns
from shared.auth.policy import ADMIN, CHANGE, DELETE, READ, RESTORE, Policy, among
from shared.auth.principal import CALLER_ID, CALLER_IS_ADMIN, TRUSTED, Principal, StepUpRequired
from shared.auth.scopes import READS, WRITES, InsufficientScope, KeyRefused, Needed, is_in_scope, scope_of
from shared.auth.tokens import SCOPE, AccessTokens, InvalidToken

__all__ = [
    "ADMIN",
    "CALLER_ID",
    "CALLER_IS_ADMIN",
    "CHANGE",
    "DELETE",
    "PATTERN",
    "READ",
    "READS",
    "RESOURCES",
    "RESTORE",
    "SCOPE",
    "SHOWN",
    "TRUSTED",
    "WRITES",
    "AccessTokens",
    "Authenticator",
    "InsufficientScope",
    "InvalidToken",
    "KeyRefused",
    "Needed",
    "Passwords",
    "Policy",
    "Principal",
    "StepUpRequired",
    "TooManySignIns",
    "admitted",
    "among",
    "digest_of",
    "gate",
    "is_in_scope",
    "known_keys",
    "live_sessions",
    "new_key",
    "policy_of",
    "role_on",
    "scope_of",
]
