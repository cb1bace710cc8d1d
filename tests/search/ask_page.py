#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ask_page.py URL STATUS PATH [--post FILE] [--header NAME:VALUE]... [--has TEXT] [--bytes N]

Asks gemma4-search's server once, the path sent as it stands, and fails when the answer's status is
not STATUS (415,422: neither of them), TEXT is not in its body, or the body has not N bytes.
"""
import argparse
import http.client
import sys
import urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("status")
parser.add_argument("path")
parser.add_argument("--post")
parser.add_argument("--header", action="append", default=[])
parser.add_argument("--has")
parser.add_argument("--bytes", type=int)
options = parser.parse_args()

body = None
if options.post:
    with open(options.post, "rb") as file:
        body = file.read()
connection = http.client.HTTPConnection(urllib.parse.urlsplit(options.url).netloc, timeout=60)
headers = dict(header.split(":", 1) for header in options.header)
connection.request("POST" if options.post else "GET", options.path, body, headers)
answer = connection.getresponse()
text = answer.read()
print(answer.status, answer.getheaders(), text[:300])
if str(answer.status) not in options.status.split(","):
    sys.exit(f"status {answer.status}, not {options.status}")
if options.has is not None and options.has.encode() not in text:
    sys.exit(f"no {options.has} in the answer")
if options.bytes is not None and len(text) != options.bytes:
    sys.exit(f"{len(text)} bytes, not {options.bytes}")
