"""How the list of common passwords is made: modules/users/common_passwords.bin."""
