"""What the Dockerfile promises, as far as its text tells."""

import re

from tests.servers import ROOT


class TestTheHealthCheck:
    def test_asks_whether_the_process_is_alive_and_not_whether_the_database_is(self):
        """An orchestrator restarts what is not healthy, and a restart mends no database."""
        check = re.search(r"^HEALTHCHECK.*\n.*", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
        assert check is not None
        assert re.findall(r"/health/\w+", check[0]) == ["/health/live"]
