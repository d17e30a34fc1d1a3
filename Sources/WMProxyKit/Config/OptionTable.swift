extension Option {
    /// Every key there is. A key that means something else elsewhere has a row in each place.
    static let table: [Option] = server + client + mapping + engine + user + certificate

    /// Longest duration of a timeout.
    private static let hour = 3_600_000
    private static let timeout = Kind.duration(100...hour)
    private static let threads = Kind.integer(0...64)
    /// The protocol knows no larger window.
    private static let window = Kind.size(65_536...(16 << 20))
    private static let queue = Kind.size((1 << 20)...(64 << 30))

    // What both ends say of themselves.
    private static let maxWindow = "Most bytes of one stream that may wait for a slow reader."
    private static let maxQueued =
        "Most bytes held in memory for slow readers, all sessions together; beyond it the stream that holds most is "
        + "reset."
    private static let maxSessionQueued = "The same as `max_queued`, for one session."

    private static let server: [Option] = [
        // Listeners.
        Option(
            .server, "bind_addr", .listener, "", .active,
            "Where tunnel clients connect. Required. Port 0 lets the system choose."),
        Option(
            .server, "map_http_bind", .listener, "", .active,
            "The public HTTP edge: requests go by their Host to the mappings of mode `http`. Not set: no such edge."),
        Option(
            .server, "map_https_bind", .listener, "", .active,
            "The public HTTPS edge, for mappings of mode `http` and `https`. Not set: no such edge."),
        Option(
            .server, "map_tcp_bind", .listener, "", .active,
            "The public port of the mapping of mode `tcp`. Not set: no such edge."),
        Option(
            .server, "map_proxy_bind", .listener, "", .later,
            "The public port of mappings of mode `proxy`."),
        Option(
            .server, "udp_bind", .address, "", .later,
            "The address from which UDP is sent for SOCKS5 users and `udp` mappings."),
        Option(
            .server, "admin_bind", .listener, "", .later,
            "Where metrics and the state of the server are shown. Not set: nowhere."),
        Option(
            .server, "flag", .flags(["http", "https", "socks5"]), "7", .later,
            "What `bind_addr` offers to forward-proxy users: words, a list, or their sum (1 http, 2 https, 4 socks5)."),
        Option(
            .server, "mode", .choice(["server", "client"]), "", .active,
            "`server`. Not set: told from the other keys."),

        // Who may come.
        Option(
            .server, "token", .secret, "", .active,
            "The secret that clients must share. Never sent; both sides prove that they know it."),
        Option(
            .server, "username", .text(maximum: 255), "", .active,
            "The user that clients must be, together with `password`."),
        Option(
            .server, "password", .secret, "", .active,
            "The secret of `username`. Never sent; both sides prove that they know it."),
        Option(
            .server, "users", .list(of: .user), "", .active,
            "Several users, each with its own secret and rights, in place of `token` or `username`."),
        Option(
            .server, "auth", .choice(["required", "none"]), "required", .active,
            "`none` lets any client in that reaches `bind_addr`; without it a server needs a credential or a "
                + "loopback address."
        ),
        Option(
            .server, "allow", .networks, "", .active,
            "The only visitors that are let in: addresses and networks. Not set: all."),
        Option(
            .server, "deny", .networks, "", .active,
            "Visitors that are turned away, before `allow` is looked at."),
        Option(
            .server, "proxy_allow", .texts, "", .later,
            "Targets that forward-proxy users may reach although they would be refused by default."),
        Option(
            .server, "proxy_deny", .texts, "", .later,
            "Targets that forward-proxy users may not reach."),
        Option(
            .server, "trusted_proxies", .networks, "", .active,
            "Proxies in front of the server whose word about the visitor is believed: in `X-Forwarded-For` and the "
                + "like, and in `proxy_protocol`."),
        Option(
            .server, "proxy_protocol", .boolean, "false", .active,
            "Connections of `trusted_proxies` to the visitors' ports begin with a PROXY protocol header, version 1 or "
                + "2. Those without are closed."),

        // TLS.
        Option(
            .server, "tc", .boolean, "false", .active,
            "Tunnel clients must use TLS. Without it, and with a credential, only on a loopback address or with "
                + "`insecure`."
        ),
        Option(
            .server, "cert", .path, "", .active,
            "PEM file with the certificate (and its chain) that tunnel clients see. Not set: one is made at start."),
        Option(
            .server, "key", .path, "", .active,
            "PEM file with the private key of `cert`."),
        Option(
            .server, "map_cert", .path, "", .active,
            "PEM file with the certificate (and its chain) of the HTTPS edge. Not set: one is made at start."),
        Option(
            .server, "map_key", .path, "", .active,
            "PEM file with the private key of `map_cert`."),
        Option(
            .server, "certs", .list(of: .certificate), "", .active,
            "More certificates of the HTTPS edge, chosen by the name a visitor asks for."),
        Option(
            .server, "domain", .hostName, "", .later,
            "The name in the certificate that is made at start."),
        Option(
            .server, "two_way_tls", .boolean, "false", .active,
            "Tunnel clients must show a certificate signed by `ca`. Whom it names is who they are: its first DNS name, "
                + "else its e-mail address, else its common name."),
        Option(
            .server, "ca", .path, "", .active,
            "PEM file with the authorities of client certificates."),
        Option(
            .server, "insecure", .boolean, "false", .active,
            "Accepts what is otherwise refused as unsafe: a credential over an unencrypted tunnel from other "
                + "machines."),

        // Identity and state.
        Option(
            .server, "server_id", .integer(0...4_294_967_295), "0", .active,
            "A number that tells this server from others in logs."),
        Option(
            .server, "state_dir", .path, "", .later,
            "A directory for what must survive a restart."),
        Option(
            .server, "headers", .headers, "", .later,
            "Header rules for all mappings."),

        // Limits.
        Option(
            .server, "threads", threads, "", .active,
            "Threads of the engine if the server starts its own; 0: the host drives it. Not set: one per core, "
                + "at most 4."
        ),
        Option(
            .server, "lanes", .integer(1...16), "", .active,
            "Most connections per client session. Not set: one per thread, at most 4."),
        Option(
            .server, "max_sessions", .integer(1...1_000_000), "1024", .active,
            "Most client sessions at once."),
        Option(
            .server, "max_streams", .integer(1...1_000_000), "16384", .active,
            "Most streams at once in one session, that is connections of visitors."),
        Option(
            .server, "max_mappings", .integer(1...100_000), "1000", .active,
            "Most mappings at once in one session."),
        Option(
            .server, "max_ports", .integer(0...60_000), "4096", .active,
            "Most ports of mappings' own (`remote_addr`) at once, of all sessions."),
        Option(
            .server, "max_udp_visitors", .integer(1...1_000_000), "4096", .active,
            "Most visitors at once of one mapping of mode `udp`, told apart by their addresses."),
        Option(
            .server, "max_connections", .integer(1...10_000_000), "65536", .active,
            "Most connections at once, of clients and visitors together."),
        Option(
            .server, "max_handshakes", .integer(1...65_536), "64", .active,
            "Most tunnel connections at once that have not logged in yet. Of more, a slow one gives way."),
        Option(.server, "max_window", window, "16MiB", .active, maxWindow),
        Option(.server, "max_queued", queue, "256MiB", .active, maxQueued),
        Option(.server, "max_session_queued", queue, "64MiB", .active, maxSessionQueued),

        // Timeouts.
        Option(
            .server, "login_timeout", timeout, "10s", .active,
            "From the arrival of a tunnel connection to its finished login."),
        Option(
            .server, "head_timeout", timeout, "10s", .active,
            "From the first byte of a request's head to its last."),
        Option(
            .server, "response_timeout", .duration(0...(24 * hour)), "60s", .active,
            "How long a local service may take to begin its answer to a request; 0: for ever."),
        Option(
            .server, "idle_timeout", .duration(0...(24 * hour)), "75s", .active,
            "How long a visitor's HTTP connection may rest between two requests; 0: for ever."),
        Option(
            .server, "ping_interval", timeout, "5s", .active,
            "How often each tunnel connection is asked for a sign of life."),
        Option(
            .server, "ping_timeout", timeout, "15s", .active,
            "How long a tunnel connection may stay without one before it counts as dead."),
    ]

    private static let client: [Option] = [
        Option(
            .client, "server", .endpoint, "", .active,
            "The server's `bind_addr`, as seen from here. Required."),
        Option(
            .client, "mappings", .list(of: .mapping), "", .active,
            "What visitors reach through the tunnel. More can be added while the client runs."),
        Option(
            .client, "mode", .choice(["server", "client"]), "", .active,
            "`client`. Not set: told from the other keys."),
        Option(
            .client, "client_id", .name, "", .active,
            "Who this client is: one that comes back under the same id takes its names and ports over. Not set: "
                + "made at start."
        ),
        Option(
            .client, "bind_addr", .listener, "", .later,
            "Where a local forward proxy listens whose traffic leaves at the server."),
        Option(
            .client, "flag", .flags(["http", "https", "socks5"]), "7", .later,
            "What the local forward proxy speaks: words, a list, or their sum (1 http, 2 https, 4 socks5)."),

        // Who we are.
        Option(
            .client, "token", .secret, "", .active,
            "The secret shared with the server."),
        Option(
            .client, "username", .text(maximum: 255), "", .active,
            "The user to log in as, together with `password`."),
        Option(
            .client, "password", .secret, "", .active,
            "The secret of `username`."),
        Option(
            .client, "two_way_tls", .boolean, "false", .active,
            "Show the server the certificate of `cert` and `key`."),
        Option(
            .client, "cert", .path, "", .active,
            "PEM file with the client's certificate."),
        Option(
            .client, "key", .path, "", .active,
            "PEM file with the private key of `cert`."),

        // Who the server is.
        Option(
            .client, "ts", .boolean, "false", .active,
            "Use TLS to the server. Never falls back to plain."),
        Option(
            .client, "ca", .path, "", .active,
            "PEM file with the authorities that may sign the server's certificate, or the word `system` for the "
                + "system's."
        ),
        Option(
            .client, "domain", .hostName, "", .active,
            "The name the server's certificate must have, checked together with `ca`. Not set: the host of `server`."),
        Option(
            .client, "fingerprint", .fingerprint, "", .active,
            "The SHA-256 digest of the public key (SubjectPublicKeyInfo) in the server's certificate, as the server "
                + "logs it: no other key is accepted."),
        Option(
            .client, "insecure", .boolean, "false", .active,
            "Accepts what is otherwise refused as unsafe: a server that cannot be verified, or a credential "
                + "without TLS."
        ),

        Option(
            .client, "threads", threads, "", .active,
            "Threads of the engine if the client starts its own; 0: the host drives it. Not set: 1."),
        Option(
            .client, "lanes", .integer(1...16), "", .active,
            "Most connections to the server. Not set: as many as the server offers."),
        Option(.client, "max_window", window, "16MiB", .active, maxWindow),
        Option(.client, "max_queued", queue, "256MiB", .active, maxQueued),
        Option(.client, "max_session_queued", queue, "64MiB", .active, maxSessionQueued),
        Option(
            .client, "dial_timeout", timeout, "10s", .active,
            "How long connecting may take, to the server and to a local service."),
        Option(
            .client, "ping_interval", timeout, "5s", .active,
            "How often each tunnel connection is asked for a sign of life."),
        Option(
            .client, "ping_timeout", timeout, "15s", .active,
            "How long a tunnel connection may stay without one before it counts as dead."),
    ]

    private static let mapping: [Option] = [
        Option(
            .mapping, "name", .name, "", .active,
            "How the mapping is called in logs, events and calls. Not set in a file: mode and position, such as "
                + "`http-1`."
        ),
        Option(
            .mapping, "mode", .choice(MappingOptions.Mode.allWords), "", .active,
            "Required. `http`: on the HTTP and the HTTPS edge; `https`: on the HTTPS edge only; `tcp`: bytes as "
                + "they come; `udp`: datagrams as they come. Not available yet: `tls`, `proxy`, `file`."),
        Option(
            .mapping, "local_addr", .endpointOrPort(host: "127.0.0.1"), "", .active,
            "The local service. A port alone means 127.0.0.1. Required unless the program itself accepts the "
                + "visitors."),
        Option(
            .mapping, "domain", .hostName, "", .active,
            "The host name visitors ask for. Required for `http` and `https`, without meaning for `tcp` and `udp`."),
        Option(
            .mapping, "remote_addr", .endpointOrPort(host: "0.0.0.0"), "", .active,
            "A public port of the mapping's own, for `tcp` and `udp`: 1024 or above, and none of the server's own. "
                + "Port 0 lets the server choose one, which the client keeps while it runs. A port alone means "
                + "0.0.0.0; `[::]` is for IPv4 as well. Required for `udp`. Not set: `tcp` is on the server's "
                + "`map_tcp_bind`."),
        Option(
            .mapping, "udp_timeout", timeout, "60s", .active,
            "How long a visitor of mode `udp` may be silent before it is forgotten."),
        Option(
            .mapping, "headers", .headers, "", .later,
            "Header rules for requests and responses."),
        Option(
            .mapping, "host_header", .text(maximum: 261), "", .later,
            "What the local service sees as Host. Not set: what the visitor asked for."),
        Option(
            .mapping, "strip_prefix", .path, "", .later,
            "The beginning of a request's path that the local service does not see."),
        Option(
            .mapping, "root", .path, "", .later,
            "The directory whose files a mapping of mode `file` shows."),
        Option(
            .mapping, "proxy_protocol", .choice(["v1", "v2"]), "", .active,
            "Tells the local service the visitor's address in a PROXY protocol header of that version, before anything "
                + "else; for `tcp`, and for `http` and `https` where every visitor has a connection of its own."),
        Option(
            .mapping, "allow", .networks, "", .active,
            "The only visitors that are let in. Not set: all."),
        Option(
            .mapping, "deny", .networks, "", .active,
            "Visitors that are turned away, before `allow` is looked at."),
    ]

    private static let engine: [Option] = [
        Option(
            .engine, "threads", threads, "", .active,
            "Threads that carry the traffic; 0: nothing runs but when the host calls. Not set: one per core, at most 4."
        )
    ]

    private static let user: [Option] = [
        Option(
            .user, "username", .text(maximum: 255), "", .active,
            "The user's name; with `two_way_tls` alone, the name in its certificate. Required."),
        Option(
            .user, "password", .secret, "", .active,
            "The user's secret: in the clear, or salted, as `wmproxy --hash-password` prints it, so that nobody who "
                + "reads the file can log in. Required without `two_way_tls`."),
        Option(
            .user, "domains", .texts, "", .active,
            "Host names that the user's mappings may have; `*.example.org` is for all below. Not set: any."),
        Option(
            .user, "ports", .texts, "", .active,
            "Public ports that the user's mappings may have: `tcp:2222`, `udp:5000-5999`, or `20000-20099` for both; "
                + "port 0 in `remote_addr` then chooses among them. Not set: `map_tcp_bind`, and those from 1024 on."
        ),
        Option(
            .user, "max_mappings", .integer(0...100_000), "", .active,
            "Most mappings at once in a session of the user. Not set: `max_mappings` of the server."),
        Option(
            .user, "max_streams", .integer(0...1_000_000), "", .active,
            "Most streams at once in a session of the user. Not set: `max_streams` of the server."),
        Option(
            .user, "bandwidth", .size((16 << 10)...(1 << 40)), "", .active,
            "Most bytes a second in each direction, all sessions of the user together. Not set: no limit."),
    ]

    private static let certificate: [Option] = [
        Option(
            .certificate, "cert", .path, "", .active,
            "PEM file with the certificate and its chain; it is shown to visitors that ask for a name it is for."),
        Option(
            .certificate, "key", .path, "", .active,
            "PEM file with the private key."),
    ]
}
