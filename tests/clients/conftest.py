"""What is generated here has tests of its own, which are not ours."""

collect_ignore = ["generated"]
