"""Exposes a local HTTP server through a tunnel, both ends of which are in this program, and visits it."""

import http.server
import threading
import urllib.request

import wmproxy

SECRET = "replace this with a long random text"

service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=service.serve_forever, daemon=True).start()

with wmproxy.Server(bind_addr="127.0.0.1:0", map_http_bind="127.0.0.1:0", tc=True, token=SECRET) as server, \
     wmproxy.Client(server=server.address("bind_addr"), ts=True, token=SECRET) as client:
    client.wait_ready(timeout=10)
    client.add_mapping(name="files", mode="http", domain="localhost", local_addr=f"127.0.0.1:{service.server_port}")
    url = client.mapping_address("files")
    with urllib.request.urlopen(url, timeout=10) as answer:
        print(f"{url} answers {answer.status} {answer.reason}, {len(answer.read())} bytes")
    print(f"{server.stats().http_requests} request, {server.stats().bytes_out} bytes to the visitor")
