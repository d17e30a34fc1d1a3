"""The columns of the table: how each tunnel is set up between a visitor's port and the backend's."""

import os
import pwd
import shutil
import subprocess
from collections import namedtuple

from processes import BenchError, free_port

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
Column = namedtuple("Column", "key title start version")
wmproxy_path = os.path.join(ROOT, "dist", "bin", "wmproxy")  # --wmproxy replaces it


def _tool(name, package):
    # Debian keeps daemons outside an ordinary user's PATH.
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not path:
        raise BenchError(f"{name} is not installed: apt-get install {package}")
    return path


def _wmproxy():
    if not os.access(wmproxy_path, os.X_OK):
        raise BenchError(f"{wmproxy_path} is not there: make build")
    return wmproxy_path


def _first_line(*argv):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.strip().split("\n")[0]


def _keep(directory, name, make):
    """A key pair, made once per run and not once per cell."""
    path = os.path.join(os.path.dirname(directory), name)
    if not os.path.exists(path):
        make(path)
    return path


def start_direct(tunnel, backend):
    tunnel.port = backend


HAPROXY_HOP = """\
global
    maxconn 5000
defaults
    mode tcp
    timeout connect 5s
    timeout client 10m
    timeout server 10m
listen hop
    bind 127.0.0.1:{listen}{bind}
    server next 127.0.0.1:{next}{server}
"""


def _certificate(path):
    openssl = _tool("openssl", "openssl")
    subprocess.run([openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-subj", "/CN=localhost", "-days", "2", "-keyout", path + ".key", "-out", path + ".crt"],
                   check=True, capture_output=True)
    with open(path, "w", opener=lambda p, flags: os.open(p, flags, 0o600)) as pem:
        for part in (".crt", ".key"):
            with open(path + part) as file:
                pem.write(file.read())


def _start_haproxy(tunnel, backend, bind="", server=""):
    haproxy = _tool("haproxy", "haproxy")
    tunnel.port, middle = free_port(), free_port()
    inner = HAPROXY_HOP.format(listen=middle, next=backend, bind=bind, server="")
    outer = HAPROXY_HOP.format(listen=tunnel.port, next=middle, bind="", server=server)
    tunnel.run([haproxy, "-db", "-f", tunnel.write("inner.cfg", inner)])
    tunnel.run([haproxy, "-db", "-f", tunnel.write("outer.cfg", outer)])


def start_haproxy(tunnel, backend):
    _start_haproxy(tunnel, backend)


def start_haproxy_tls(tunnel, backend):
    pem = _keep(tunnel.directory, "haproxy.pem", _certificate)
    tls13 = "ssl-min-ver TLSv1.3 ciphersuites TLS_AES_128_GCM_SHA256"
    _start_haproxy(tunnel, backend, bind=f" ssl crt {pem} {tls13}", server=f" ssl verify none {tls13}")


SSHD = """\
ListenAddress 127.0.0.1:{port}
HostKey {key}
AuthorizedKeysFile {key}.pub
PidFile none
UsePAM {pam}
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
AllowTcpForwarding yes
LogLevel ERROR
"""


def _ssh_key(path):
    keygen = _tool("ssh-keygen", "openssh-client")
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def start_ssh(tunnel, backend):
    sshd, ssh = _tool("sshd", "openssh-server"), _tool("ssh", "openssh-client")
    key = _keep(tunnel.directory, "ssh.key", _ssh_key)  # one throw-away pair is host key and user key
    tunnel.port, port = free_port(), free_port()
    root = os.geteuid() == 0
    if root:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # sshd's unprivileged half is confined there
    # Without PAM sshd refuses a user whose password is locked; an ordinary user's own sshd can't use PAM.
    config = tunnel.write("sshd_config", SSHD.format(port=port, key=key, pam="yes" if root else "no"))
    with open(key + ".pub") as file:
        known = tunnel.write("known_hosts", f"[127.0.0.1]:{port} {file.read()}")
    tunnel.run([sshd, "-D", "-e", "-f", config])
    _wait_for_listener(tunnel, port)
    user = pwd.getpwuid(os.geteuid()).pw_name
    options = {"BatchMode": "yes", "IdentitiesOnly": "yes", "IdentityAgent": "none", "UserKnownHostsFile": known,
               "GlobalKnownHostsFile": "none", "StrictHostKeyChecking": "yes", "ExitOnForwardFailure": "yes",
               "Compression": "no"}
    tunnel.run([ssh, "-F", "none", "-N", "-T", "-c", "aes128-gcm@openssh.com", "-i", key, "-p", str(port)]
               + [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
               + ["-R", f"127.0.0.1:{tunnel.port}:127.0.0.1:{backend}", f"{user}@127.0.0.1"])


def _wait_for_listener(tunnel, port):
    """ssh does not try again, so its server has to listen first."""
    def listens():
        with open("/proc/net/tcp") as file:
            return f"0100007F:{port:04X} 00000000:0000 0A" in file.read()
    tunnel.wait_for(listens)


def _start_wmproxy(tunnel, backend, tls):
    wmproxy = _wmproxy()
    tunnel.port, port = free_port(), free_port()
    server = f"bind_addr: 127.0.0.1:{port}\nmap_tcp_bind: 127.0.0.1:{tunnel.port}\ntc: {tls}\nmode: server\n"
    client = (f"server: 127.0.0.1:{port}\nts: {tls}\nmappings:\n"
              f"  - name: bench\n    mode: tcp\n    local_addr: 127.0.0.1:{backend}\n")
    tunnel.run([wmproxy, "-c", tunnel.write("server.yaml", server)])
    tunnel.run([wmproxy, "-c", tunnel.write("client.yaml", client)])


def start_wmproxy(tunnel, backend):
    _start_wmproxy(tunnel, backend, "false")


def start_wmproxy_tls(tunnel, backend):
    _start_wmproxy(tunnel, backend, "true")


def _haproxy_version():
    return _first_line(_tool("haproxy", "haproxy"), "-v").split(" - ")[0]


COLUMNS = [
    Column("direct", "direct", start_direct, lambda: ""),
    Column("haproxy", "haproxy x2", start_haproxy, _haproxy_version),
    Column("wmproxy", "wmproxy", start_wmproxy, lambda: _first_line(_wmproxy(), "--version")),
    Column("haproxy-tls", "haproxy TLS", start_haproxy_tls, _haproxy_version),
    Column("ssh", "ssh -R", start_ssh,
           lambda: _tool("sshd", "openssh-server") and _first_line(_tool("ssh", "openssh-client"), "-V")),
    Column("wmproxy-tls", "wmproxy TLS", start_wmproxy_tls, lambda: _first_line(_wmproxy(), "--version")),
]

# What the product is held against: (its column, the reference).
COMPARISONS = [("wmproxy", "haproxy"), ("wmproxy-tls", "haproxy"), ("wmproxy-tls", "haproxy-tls"),
               ("wmproxy-tls", "ssh")]
