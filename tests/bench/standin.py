#!/usr/bin/python3 -I
"""A user's server that costs next to nothing: it announces its port to the Hub and answers everything with 200.

Takes the place of whatever a job runs; all arguments are ignored. Started with ``BENCH_PORT`` it listens there and
announces nothing. Standard library only: every OS user runs it with the machine's Python.
"""

import json
import os
import sys
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ATTEMPTS = 40


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"{}")

    do_HEAD = do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


def announce(port: int) -> None:
    """As batchspawner's wrapper and ours do; again until the Hub, which may not know the job yet, takes it."""
    request = urllib.request.Request(
        os.environ["JUPYTERHUB_API_URL"] + "/batchspawner",
        data=json.dumps({"port": port}).encode(),
        headers={"Authorization": f"token {os.environ['JUPYTERHUB_API_TOKEN']}", "Content-Type": "application/json"},
    )
    for attempt in range(ATTEMPTS):
        try:
            urllib.request.urlopen(request, timeout=20).close()
        except OSError as error:
            print(f"attempt {attempt + 1}: {error}", file=sys.stderr)
            time.sleep(0.25)
        else:
            return
    sys.exit("the Hub did not take the port")


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("BENCH_PORT", "0"))), Answer)
    server.daemon_threads = True
    if "BENCH_PORT" not in os.environ:
        announce(server.server_address[1])
    server.serve_forever()
