#!/usr/bin/env python3
"""Runs what we show to people: the demo's scenario in its variants, every example, and the code blocks of the README as
printed. Prints "N passed, N failed".

Around the examples and blocks is the world that they are written for: an HTTP server on 127.0.0.1:8080 and, with
config/server.yaml, a wmproxy server. Each has to end with 0. One that prints "Press Enter" is first visited at the
addresses it has printed.
"""

import http.server
import os
import re
import ssl
import subprocess
import sys
import tempfile
import threading
import urllib.request
from pathlib import Path

from isolation import private_network

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"
ENVIRONMENT = os.environ | {
    "PKG_CONFIG_PATH": str(DIST / "lib/pkgconfig"),
    "LD_LIBRARY_PATH": str(DIST / "lib"),
    "PYTHONPATH": str(ROOT / "bindings/python"),
    "WMPROXY_LIBRARY": str(DIST / "lib/libwmproxy.so.0"),
    "no_proxy": "*",
}
BODY = b"the local service\n"
SWIFT_SCRATCH = ROOT / ".build" / "examples"
PACKAGE = """// swift-tools-version: 6.2
import PackageDescription
let package = Package(
    name: "example",
    dependencies: [.package(name: "libwmproxy", path: "{root}")],
    targets: [
        .executableTarget(name: "example", dependencies: [.product(name: "WMProxyKit", package: "libwmproxy")])
    ])
"""


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *arguments):
        pass


class Local(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A visitor may leave as it likes."""


def command(arguments, timeout=60, **options):
    done = subprocess.run(
        [str(a) for a in arguments], env=ENVIRONMENT, timeout=timeout, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    assert done.returncode == 0, f"{arguments[0]} ended with {done.returncode}:\n{done.stdout[-4000:]}"
    return done.stdout


def visit(address):
    url = address if "//" in address else f"http://{address}/"
    host = re.match(r"http://(localhost(:\d+)?)", url)
    if host is not None:  # where only an IPv4 address listens
        url = f"http://127.0.0.1{host[2] or ''}/"
    request = urllib.request.Request(url, headers={"Host": host[1]} if host else {})
    anyone = ssl._create_unverified_context()  # the certificate was made for this run
    answer = urllib.request.urlopen(request, timeout=10, context=anyone).read()
    assert answer == BODY, f"{address} answered {answer[:200]!r}"


def converse(arguments, **options):
    """Runs a program to its end; if it waits for Enter, visits what it has printed before."""
    process = subprocess.Popen(
        [str(a) for a in arguments], env=ENVIRONMENT, text=True, bufsize=1, **options,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    limit = threading.Timer(60, process.kill)
    limit.start()
    printed, wrong = [], None
    for line in process.stdout:
        printed.append(line)
        if "Press Enter" in line:
            addresses = re.findall(r"https?://\S+|127\.0\.0\.1:\d+", "".join(printed))
            try:
                assert addresses, "it printed no address"
                for address in addresses:
                    visit(address.rstrip(".,"))
            except (AssertionError, OSError) as error:
                wrong = error
            process.stdin.close()
    status = process.wait()
    limit.cancel()
    assert wrong is None, f"{wrong}\n{''.join(printed)}"
    assert status == 0, f"it ended with {status}:\n{''.join(printed)[-4000:]}"


# ------------------------------------------------------------------------------------------------ How each is run


def run_c(source, directory, *arguments):
    flags = command(["pkg-config", "--cflags", "--libs", "wmproxy"]).split()
    command(["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-o", directory / "program", source, *flags])
    converse([directory / "program", *arguments], cwd=ROOT)


def run_python(source, directory, *arguments):
    converse([sys.executable, "-W", "error", source, *arguments], cwd=ROOT)


def run_swift(source, directory, *arguments):
    """A package of its own that depends on this one; all share one build directory, or each would take a minute."""
    package = SWIFT_SCRATCH / "package"
    (package / "Sources" / "example").mkdir(parents=True, exist_ok=True)
    (package / "Package.swift").write_text(PACKAGE.format(root=ROOT))
    (package / "Sources" / "example" / "main.swift").write_text(Path(source).read_text())
    build = ["swift", "build", "--package-path", package, "--scratch-path", SWIFT_SCRATCH / "build"]
    command([*build, "--quiet"], timeout=600)
    converse([Path(command([*build, "--show-bin-path"]).strip()) / "example", *arguments], cwd=ROOT)


RUN = {"c": run_c, "python": run_python, "swift": run_swift}


def blocks(language):
    text = (ROOT / "README.md").read_text() if (ROOT / "README.md").exists() else ""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.M | re.S)


def scenarios(directory):
    """The two files of config/ as they are, and as they may also be written."""
    server, client = ((ROOT / "config" / f"{role}.yaml").read_text() for role in ("server", "client"))

    def nested(text):
        return "proxy:\n" + "".join(f"  {line}\n" for line in text.splitlines())

    def plain(text):
        return re.sub(r"^(t[cs]): true", r"\1: false", text, flags=re.M)

    variants = {
        "as they are": (server, client),
        "under proxy:": (nested(server), nested(client)),
        "without TLS": (plain(server), plain(client)),
        "with mode: client": (server, client + "\nmode: client\n"),
    }
    for name, texts in variants.items():
        place = directory / name.replace(" ", "-").replace(":", "")
        place.mkdir()
        for role, text in zip(("server", "client"), texts):
            (place / f"{role}.yaml").write_text(text)
        yield name, place


def main():
    private_network()
    results = {True: 0, False: 0}

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
            results[True] += 1
            print(f"ok     {name}", flush=True)
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            results[False] += 1
            print(f"FAILED {name}\n" + "\n".join(f"       {line}" for line in str(error).splitlines()), flush=True)

    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary)
        for name, place in scenarios(directory):
            attempt(f"scenario {name}", command, [sys.executable, ROOT / "examples/demo.py", place])

        local = Local(("127.0.0.1", 8080), Service)
        threading.Thread(target=local.serve_forever, daemon=True).start()
        server = subprocess.Popen([DIST / "bin/wmproxy", "-q", "-c", ROOT / "config/server.yaml"])
        try:
            for language, pattern in (("c", "c/*.c"), ("python", "python/*.py"), ("swift", "swift/**/*.swift")):
                for source in sorted((ROOT / "examples").glob(pattern)):
                    if ".build" not in source.parts and source.name != "Package.swift":
                        arguments = ["config/client.yaml"] if "CLIENT.yaml" in source.read_text() else []
                        attempt(f"examples/{source.relative_to(ROOT / 'examples')}",
                                RUN[language], source, directory, *arguments)
                for number, block in enumerate(blocks(language), 1):
                    source = directory / f"readme{number}.{ {'c': 'c', 'python': 'py', 'swift': 'swift'}[language] }"
                    source.write_text(block)
                    attempt(f"README, {language} block {number}", RUN[language], source, directory)
        finally:
            server.terminate()
            server.wait()
    print(f"examples: {results[True]} passed, {results[False]} failed")
    return 0 if results[False] == 0 and results[True] > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
