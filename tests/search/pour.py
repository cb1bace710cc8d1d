#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""pour.py URL STATUS MEGABYTES HEADER...: posts a body without end in sight, in chunks."""
import socket
import sys
import urllib.parse

url, status, megabytes, *headers = sys.argv[1:]
address = urllib.parse.urlsplit(url)
with socket.create_connection((address.hostname, address.port), timeout=60) as s:
    s.sendall("\r\n".join(["POST /api/similar HTTP/1.1", f"Host: {address.netloc}",
                           "Transfer-Encoding: chunked", *headers, "", ""]).encode())
    chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    for _ in range(int(megabytes)):
        s.sendall(chunk)
    s.sendall(b"0\r\n\r\n")
    answer = s.recv(4096).split()
print(answer[:3])
sys.exit(answer[1].decode() != status)
