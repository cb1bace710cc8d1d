#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""crowd.py URL N: opens N connections that say nothing, and asks while they are all there."""
import http.client
import socket
import sys
import urllib.parse

address = urllib.parse.urlsplit(sys.argv[1])
silent = [socket.create_connection((address.hostname, address.port), timeout=60)
          for _ in range(int(sys.argv[2]))]
connection = http.client.HTTPConnection(address.netloc, timeout=60)
connection.request("GET", "/style.css")
answer = connection.getresponse()
print(answer.status, len(answer.read()), len(silent))
sys.exit(answer.status != 200)
