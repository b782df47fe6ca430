"""What is asked for beside a password, or in its place: codes of an authenticator app, recovery codes, passkeys."""
