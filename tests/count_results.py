#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""count_results.py BUILD-DIR SKIPS-FILE

Counts the single tests in meson's log: the TAP lines of a program that writes TAP, else the
program. A program that crashed, timed out or failed without a failed line counts as one failure,
and so does a skip that SKIPS-FILE does not allow here. Lists skips and failures by name, the skips
of one program and reason in one line.
"""
import fnmatch
import glob
import json
import os
import re
import subprocess
import sys

TAP_LINE = re.compile(r"^\s*(not )?ok\b\s*\d*\s*(?:- )?(.*?)\s*(?:#\s*(SKIP|TODO)\b\s*(.*))?$", re.I)
SKIP_ALL = re.compile(r"^\s*1\.\.0\b\s*(?:#\s*SKIP\b\s*(.*))?", re.I)


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


class Here:
    """What this machine and build have, for the conditions of the skips file."""

    def __init__(self, build):
        with open(os.path.join(build, "meson-info", "intro-buildoptions.json")) as file:
            self.options = {o["name"]: o["value"] for o in json.load(file)}
        try:
            with open("/proc/cpuinfo") as file:
                flags = re.search(r"^(?:flags|Features)\s*: (.*)$", file.read(), re.M)
        except FileNotFoundError:
            flags = None
        self.flags = set(flags[1].split()) if flags else None
        self.gstreamer = run("pkg-config", "--modversion", "gstreamer-1.0") or "0"

    def holds(self, condition):
        match = re.fullmatch(r"gst<(\d+)\.(\d+)", condition)
        if match:
            have = tuple(int(n) for n in self.gstreamer.split(".")[:2])
            return have < (int(match[1]), int(match[2]))
        match = re.fullmatch(r"cpu-lacks:(\w+)", condition)
        if match:
            return self.flags is None or match[1] not in self.flags
        match = re.fullmatch(r"no-package:([\w.+-]+)", condition)
        if match:
            return run("pkg-config", "--exists", match[1]) is None
        match = re.fullmatch(r"no-module:(\w+)", condition)
        if match:
            return run("python3", "-c", f"import {match[1]}") is None
        match = re.fullmatch(r"no-header:([\w./+-]+)", condition)
        if match:
            return run("cc", "-fsyntax-only", "-include", match[1], "-xc", "/dev/null") is None
        match = re.fullmatch(r"no-file:(/\S+)", condition)
        if match:
            return not glob.glob(match[1])
        match = re.fullmatch(r"option:([\w.]+)(!?=)(.*)", condition)
        if match:
            return (str(self.options.get(match[1])).lower() == match[3]) == (match[2] == "=")
        sys.exit(f"skips file: unknown condition {condition}")


def read_skips(path, here):
    """The patterns whose condition holds here."""
    allowed = []
    with open(path) as file:
        for line in file:
            words = line.split(None, 2)
            if not words or words[0].startswith("#"):
                continue
            if len(words) < 3:
                sys.exit(f"{path}: a line without a reason: {line.strip()}")
            if here.holds(words[0]):
                allowed.append(words[1])
    return allowed


def results_of(test):
    """(outcome, name, reason) for each single test of one program."""
    name = test["name"].split(" / ")[-1]  # meson puts "project:suite / " before it
    result, found = test["result"], []
    for line in (test.get("stdout") or "").splitlines():
        match = SKIP_ALL.match(line)
        if match:
            found.append(("skipped", name, match[1] or ""))
            continue
        match = TAP_LINE.match(line)
        if not match:
            continue
        outcome = "failed" if match[1] else "passed"
        if match[3]:
            outcome = "skipped" if match[3].upper() == "SKIP" else "passed"
        found.append((outcome, f"{name}:{match[2]}", match[4] or ""))
    if result in ("OK", "EXPECTEDFAIL"):
        return found or [("passed", name, "")]
    if result == "SKIP":
        return found or [("skipped", name, "")]
    if not any(outcome == "failed" for outcome, _, _ in found):
        found.append(("failed", name, f"{result}, exit status {test.get('returncode')}"))
    return found


def main():
    build, skips = sys.argv[1:]
    allowed = read_skips(skips, Here(build))
    count = {"passed": 0, "failed": 0, "skipped": 0}
    try:
        with open(os.path.join(build, "meson-logs", "testlog.json")) as file:
            tests = [json.loads(line) for line in file]
    except FileNotFoundError:
        tests = []
    left_out, failures = {}, []
    for test in tests:
        for outcome, name, reason in results_of(test):
            if outcome == "skipped" and not any(fnmatch.fnmatchcase(name, p) for p in allowed):
                outcome, reason = "failed", f"skipped ({reason}), which tests/skips.txt does not allow"
            count[outcome] += 1
            if outcome == "skipped":
                program, _, part = name.partition(":")
                left_out.setdefault((program, reason), []).append(part)
            elif outcome == "failed":
                failures.append(name + (f" ({reason})" if reason else ""))
    if not tests:
        failures.append("no test was run")
        count["failed"] += 1
    for (program, reason), parts in left_out.items():
        print(" ".join([f"skipped: {program}", *filter(None, parts)]) + (f" ({reason})" if reason else ""))
    for name in failures:
        print(f"failed: {name}")
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**count))
    return 1 if count["failed"] or not count["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
