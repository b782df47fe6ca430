"""Where the processor time of a request goes, layer by layer, into REPORT.md. `make bench-profile`."""

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import click

from benchmarks import report
from benchmarks.accounts import register
from benchmarks.database import READER_PROJECTS, SECOND, Filler, migrated_database
from benchmarks.load import Scenario, require_tools, wrk
from benchmarks.run import PROJECTS, end_in_good_order, scenarios_of
from benchmarks.servers import ROOT, TRELLIS, Server, running
