#!/usr/bin/env python3
"""examples/swift, a package that depends on this one as anybody's would: its main.swift is the Swift block of the
README as printed, it builds with the manifest that it has, and it ends with 0 where an HTTP server is on
127.0.0.1:8080. Prints "N passed, N failed".
"""

import http.server
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "project"))
from isolation import private_network  # noqa: E402

PACKAGE = ROOT / "examples" / "swift"
MAIN = PACKAGE / "Sources" / "expose" / "main.swift"
BUILD = ["swift", "build", "--package-path", PACKAGE, "--scratch-path", ROOT / ".build" / "swift-example"]
BODY = b"the local service\n"


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *arguments):
        pass


def command(arguments, timeout):
    done = subprocess.run(
        [str(a) for a in arguments], timeout=timeout, text=True, env=os.environ | {"no_proxy": "*"},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, f"{arguments[0]} ended with {done.returncode}:\n{done.stdout[-4000:]}"
    return done.stdout


def is_the_block_of_the_readme():
    blocks = re.findall(r"^```swift\n(.*?)^```", (ROOT / "README.md").read_text(), flags=re.M | re.S)
    assert blocks == [MAIN.read_text()], f"README.md and {MAIN.relative_to(ROOT)} differ"


def builds_as_a_package_of_its_own():
    command([*BUILD, "--quiet"], timeout=600)


def carries_a_request():
    local = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Service)
    threading.Thread(target=local.serve_forever, daemon=True).start()
    program = Path(command([*BUILD, "--show-bin-path"], timeout=60).strip()) / "expose"
    output = command([program], timeout=60)
    assert BODY.decode() in output, output
    assert re.search(r"^1 request, \d+ bytes to the visitor$", output, flags=re.M), output


def main():
    private_network()
    failed = 0
    tests = (is_the_block_of_the_readme, builds_as_a_package_of_its_own, carries_a_request)
    for test in tests:
        name = test.__name__.replace("_", " ")
        try:
            test()
            print(f"ok     {name}", flush=True)
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAILED {name}\n" + "\n".join(f"       {line}" for line in str(error).splitlines()), flush=True)
    print(f"swift consumer: {len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
