#!/usr/bin/python3 -IS
"""A user's server that costs next to nothing: it announces its port to the Hub and answers everything with 200.

Takes the place of whatever a job runs; all arguments are ignored. Started with ``BENCH_PORT`` it listens there and
announces nothing. Standard library only: every OS user runs it with the machine's Python.
"""

import os
import socket
import sys
import time

ATTEMPTS = 40


def announce(port: int) -> None:
    """As batchspawner's wrapper and ours do; again until the Hub, which may not know the job yet, takes it."""
    scheme, _, rest = os.environ["JUPYTERHUB_API_URL"].partition("://")
    host, _, path = rest.partition("/")
    address, _, number = host.partition(":")
    body = f'{{"port": {port}}}'
    request = (
        f"POST /{path}/batchspawner HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Authorization: token {os.environ['JUPYTERHUB_API_TOKEN']}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    for _ in range(ATTEMPTS):
        try:
            with socket.create_connection((address, int(number or 80)), timeout=60) as line:
                line.sendall(request.encode())
                if line.recv(12)[9:10] == b"2":  # HTTP/1.1 2xx
                    return
        except OSError:
            pass  # tried again below
        time.sleep(0.25)
    sys.exit(f"the Hub at {scheme}://{host} did not take the port")


def serve() -> None:
    # Imported here: replay.py wants :func:`announce` alone, and that often, and quickly.
    import threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(b"{}")

        do_HEAD = do_GET

        def do_POST(self) -> None:
            self.do_GET()
            if self.path.endswith("/api/shutdown") and "BENCH_PORT" not in os.environ:  # else it stands for many
                threading.Thread(target=self.server.shutdown).start()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("BENCH_PORT", "0"))), Answer)
    server.daemon_threads = True
    if "BENCH_PORT" not in os.environ:
        announce(server.server_address[1])
    server.serve_forever()


if __name__ == "__main__":
    serve()
