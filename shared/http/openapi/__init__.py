"""OpenAPI: the document that tells clients what the server does.

The framework writes the paths and schemas. This room adds what it does not know, derived from what routes, services,
policies and the kernel declare. It serves no request.
"""

from shared.http.openapi.openapi import install_openapi

__all__ = ["install_openapi"]
