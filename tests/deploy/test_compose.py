"""compose.yaml, and the configurations of what runs beside Trellis in it."""

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from app.cli import assembled
from shared.manifest import discover
from shared.settings import Settings
from tests.deploy.settings import unknown
from tests.servers import ROOT

COMPOSE: Any = yaml.safe_load((ROOT / "compose.yaml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"].startswith("trellis:")}
SERVERS = (ROOT / "deploy" / "kubernetes" / "api.yaml").read_text()
PROXY = (ROOT / "deploy" / "haproxy" / "haproxy.cfg").read_text()


class TestTheServices:
    def test_are_the_database_a_migration_replicas_behind_a_proxy_and_a_worker(self):
        assert {"database", "migrate", "api", "worker", "proxy"} <= COMPOSE["services"].keys()
        assert COMPOSE["services"]["api"]["deploy"]["replicas"] > 1
        observing = {name for name, one in COMPOSE["services"].items() if one.get("profiles") == ["observing"]}
        assert observing == {"prometheus", "grafana"}

    def test_of_ours_run_commands_that_there_are(self):
        assert {service["command"][1] for service in OURS.values()} == {"serve", "worker", "migrate"}
        assert {service["command"][1] for service in OURS.values()} <= assembled(discover()).commands.keys()

    def test_of_ours_have_settings_that_there_are(self):
        for service in OURS.values():
            assert unknown(service["environment"]) == set()

    def test_of_ours_take_other_settings_from_a_file_if_there_is_one(self):
        """Beside `.env`, whose other passwords are none of theirs. Git ignores both."""
        for service in OURS.values():
            assert service["env_file"] == [{"path": "trellis.env", "required": False}]
        assert {".env", "trellis.env"} <= {*(ROOT / ".gitignore").read_text().splitlines()}

    def test_of_ours_write_nowhere_but_in_tmp_and_have_no_rights(self):
        for service in OURS.values():
            assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
            assert [path.partition(":")[0] for path in service["tmpfs"]] == ["/tmp"]

    def test_begin_after_the_schema_is_there(self):
        for name in ("api", "worker"):
            assert OURS[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}

    def test_end_in_the_time_that_the_settings_take(self):
        for service in OURS.values():
            times = [float(service["environment"][f"TRELLIS_{name}_SECONDS"]) for name in ("DRAIN", "SHUTDOWN")]
            assert float(service["stop_grace_period"].removesuffix("s")) > sum(times) + 10

    def test_have_no_secret_of_ours(self):
        """Each is a variable that has to be given."""
        for service in COMPOSE["services"].values():
            for name, value in service.get("environment", {}).items():
                if re.search("PASSWORD|SECRET|DATABASE_URL", name):
                    assert re.search(r"\$\{\w+:\?", value), name

    def test_take_the_variables_that_the_page_makes(self):
        """Those that have to be given."""
        (made,) = re.findall(r"printf '(.*)' ", (ROOT / "docs" / "DEPLOY.md").read_text())
        required = re.findall(r"\$\{(\w+):\?", (ROOT / "compose.yaml").read_text())
        assert {*re.findall(r"([A-Z][A-Z_]+)=%s", made)} == {*required}

    def test_mount_files_that_there_are(self):
        mounts = [mount for service in COMPOSE["services"].values() for mount in service.get("volumes", ())]
        files = [mount.partition(":")[0] for mount in mounts if mount.startswith("./deploy/")]
        assert len(files) == 4
        for file in files:
            assert (ROOT / file).is_file(), file

    def test_believe_the_proxy(self):
        (network,) = COMPOSE["networks"]["default"]["ipam"]["config"]
        assert {service["environment"]["FORWARDED_ALLOW_IPS"] for service in OURS.values()} == {network["subnet"]}

    def test_have_connections_enough_by_the_doctors_arithmetic(self):
        size = Settings.model_fields["pool_size"].default
        (option,) = [word for word in COMPOSE["services"]["database"]["command"] if word.startswith("max_connections=")]
        assert int(option.partition("=")[2]) > OURS["api"]["deploy"]["replicas"] * 2 * size + 15 + 10


class TestTheProxy:
    def test_has_a_configuration_that_haproxy_takes(self):
        if shutil.which("haproxy") is None:
            pytest.skip("HAProxy is not installed.")
        subprocess.run(["haproxy", "-c", "-f", ROOT / "deploy/haproxy/haproxy.cfg"], check=True, capture_output=True)

    def test_closes_idle_connections_before_the_server_does(self):
        """Else a request meets a connection that is being closed."""
        (seconds,) = re.findall(r"pool-purge-delay (\d+)s", PROXY)
        assert int(seconds) < Settings.model_fields["keep_alive_seconds"].default

    def test_notices_a_server_that_drains_while_that_takes_connections(self):
        (inter, fall) = re.findall(r"inter (\d+)s fall (\d+)", PROXY)[0]
        assert int(inter) * int(fall) < float(OURS["api"]["environment"]["TRELLIS_DRAIN_SECONDS"])

    def test_waits_as_long_for_a_busy_server_as_kubernetes_does(self):
        """Its own default is the time between two looks: all servers would be out when all are overloaded."""
        (server,) = [one for one in yaml.safe_load_all(SERVERS) if one["kind"] == "Deployment"]
        (container,) = server["spec"]["template"]["spec"]["containers"]
        (seconds,) = re.findall(r"^ +timeout check (\d+)s", PROXY, re.MULTILINE)
        assert int(seconds) == container["readinessProbe"]["timeoutSeconds"]

    def test_waits_longer_for_a_head_than_the_server(self):
        (seconds,) = re.findall(r"timeout http-request (\d+)s", PROXY)
        assert int(seconds) > Settings.model_fields["head_seconds"].default


class TestPrometheus:
    def test_has_a_configuration_that_it_takes(self):
        if shutil.which("promtool") is None:
            pytest.skip("Prometheus is not installed.")
        file = ROOT / "deploy" / "prometheus" / "prometheus.yml"
        done = subprocess.run(
            ["promtool", "check", "config", "--syntax-only", file], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def test_scrapes_every_process_by_the_name_that_the_rules_know(self):
        (job,) = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
        (found,) = job["dns_sd_configs"]
        assert (job["job_name"], found["names"]) == ("trellis", ["api", "worker"])
        assert {service["environment"]["TRELLIS_METRICS_PORT"] for service in OURS.values()} == {str(found["port"])}
