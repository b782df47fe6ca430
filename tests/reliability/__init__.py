"""What happens when something goes wrong: a harness for each kind of fault, with real processes and real faults.

    make reliability                            all of them, at the sizes that docs/RELIABILITY.md quotes; an hour
    python -m tests.reliability                 the same; `--short` for a few minutes, `--only NAME` for some
    python -m tests.reliability.aborts          one of them; each has `--help`, and options for its sizes

Each file is a fault. It makes its own database and servers, prints what it has counted and measured, and ends with 1
when something is wrong that no machine excuses (a lost request, a leak, a crash), or, with `--judge`, when a figure
misses what is promised. The suite runs a short version of each, without `--judge`: a slow machine is no fault.

To add one, write a file that can be run, with `--help` and `--judge`; `SHORT` are its arguments for the suite.
"""
