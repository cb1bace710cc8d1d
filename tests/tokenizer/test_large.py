#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""test_large.py TOKENIZER-IDS SANITIZER

A file of the released one's size: opened in less than 150 MB, and a text of 1 MB encoded with it.
Times are shown, not judged. SANITIZER is meson's b_sanitize; with one, memory is not judged either.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

PEAK = 150e6 / 2**20  # MiB


def main():
    program, sanitizer = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        large, text = f"{folder}/tokenizer.json", f"{folder}/text"
        made = subprocess.run(
            [sys.executable, pathlib.Path(__file__).with_name("make_large.py"), large, "--text", text,
             "1000000"], check=True, capture_output=True, text=True).stdout.strip()
        size = pathlib.Path(large).stat().st_size
        done = subprocess.run([program, "--bench", large, text], check=True, capture_output=True,
                              text=True).stdout
    print("1..3")
    print(f"# {made}, {size} bytes: {done.strip()}")
    figures = json.loads(done)
    failed = False
    for i, (name, good) in enumerate([
            ("every id is known", figures["ids"] == 262144),
            ("opened in less than 150 MB", sanitizer != "none" or figures["peak_mib"] < PEAK),
            ("a text of 1 MB becomes tokens of several letters",
             figures["text_bytes"] >= 1e6 and figures["tokens"] < 3e5)], 1):
        failed = failed or not good
        print(f"{'ok' if good else 'not ok'} {i} {name}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
