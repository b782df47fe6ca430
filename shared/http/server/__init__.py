"""The server: HTTP/1.1 on the socket, beyond what uvicorn and httptools do.

Limits of heads and bodies, deadlines, the gate before the application, and problems for what cannot be parsed. It knows
no route.
"""

from shared.http.server.gate import Gate
from shared.http.server.protocol import bounded

__all__ = ["Gate", "bounded"]
