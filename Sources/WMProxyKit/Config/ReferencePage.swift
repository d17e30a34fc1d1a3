extension Option {
    /// docs/CONFIG.md, written from the table so that it cannot say anything else than what is accepted.
    static func referencePage() -> String {
        var page = introduction
        for place in Place.allCases {
            page += "\n## \(place.title)\n\n\(place.introduction)\n\n"
            page += "| key | value | default | meaning |\n|---|---|---|---|\n"
            for option in all(in: place) { page += option.row }
        }
        return page + valuesAndRules
    }

    private var row: String {
        let shownDefault = defaultText.isEmpty ? "" : "`\(defaultText)`"
        let mark =
            switch status {
            case .active: ""
            case .later: " *Not active yet.*"
            }
        return "| `\(name)` | \(kind.label) | \(shownDefault) | \(summary)\(mark) |\n"
    }

    /// The sample file config/server.yaml.
    static let sampleServer = """
        bind_addr: 127.0.0.1:8091
        flag: 7
        map_http_bind: 127.0.0.1:8001
        map_tcp_bind: 127.0.0.1:8002
        map_https_bind: 127.0.0.1:8003
        map_cert:
        map_key:
        tc: true
        mode: server

        """

    /// The sample file config/client.yaml.
    static let sampleClient = """
        server: 127.0.0.1:8091
        ts: true
        mappings:
          - name: web
            mode: http
            local_addr: 127.0.0.1:8080
            domain: localhost
          - name: tcp
            mode: tcp
            local_addr: 127.0.0.1:8080
            domain:

        """

    private static let introduction = """
        # Configuration

        <!-- Written by the tests from OptionTable.swift and ReferencePage.swift in Sources/WMProxyKit/Config:
             edit those. -->

        A server, a client, an engine and a mapping are each described by one text. It is the same text in a file for
        the `wmproxy` program, in a call of the C library, and in the other languages: YAML, or JSON, which is valid
        input too. `wmproxy -c FILE --check` says what a text means without starting anything.

        ## How to write it

        A server (config/server.yaml):

        ```yaml
        \(sampleServer)```

        A client (config/client.yaml):

        ```yaml
        \(sampleClient)```

        The same keys may stand under `proxy:`, which then must be the only key at the top:

        ```yaml
        proxy:
          server: 127.0.0.1:8091
          ts: true
        ```

        And the same in JSON, as any language writes it:

        ```json
        {"server": "tunnel.example.org:8091", "ts": true, "token": "a long random text",
         "mappings": [{"name": "web", "mode": "http", "local_addr": 8080, "domain": "app.example.org"}]}
        ```

        - An empty value (nothing, `""`, `null` or `~`) means the default.
        - A key that is not known, appears twice, or has a value of the wrong type is an error. It names the file, the
          line and the column, and the key that was probably meant.
        - A key marked *not active yet* is checked like the others; setting it gives a warning, and nothing else:
          `allow`, `deny`, `users` and `two_way_tls` keep nobody out yet.
        - Without `mode`, a text with `server` or `mappings` is a client's; else one with `bind_addr` or a key that
          begins with `map_` is a server's.
        - One document of at most 1 MiB, 32 levels and 100,000 values; no anchors, aliases or tags.

        """

    private static let valuesAndRules = """

        ## Values

        Quotes matter only in that they keep `null` and `~` from meaning the default: `threads: "2"` is `threads: 2`,
        and `password: 0123` keeps its zero without them.

        | value | how to write it |
        |---|---|
        | true, false | also `yes`, `no`, `on`, `off` |
        | duration | `500ms`, `10s`, `1.5s`, `2min`, `1h`; a number alone is seconds |
        | size | `64KiB`, `16MiB`, `1GiB` or `64k`, `16m`, `1g` (powers of 1024); `64kB`, `16MB` (powers of 1000); \
        a number alone is bytes |
        | host:port | `127.0.0.1:8091`, `[::1]:8091`, `example.org:8091`; no unix socket paths |
        | listen address | the same, or `:8091` for all IPv4 addresses of the machine (0.0.0.0) |
        | host:port or port | the same, or `8080` or `:8080` alone; the key says which host that means |
        | host name | letters, digits and hyphens in labels of at most 63, 253 in all; upper case becomes lower case; \
        other alphabets as `xn--…`; an IPv4 address will do |
        | name | letters, digits, `.`, `_` and `-`, at most 64 |
        | path | as given to the operating system: a relative one begins at the working directory |
        | fingerprint | 64 hexadecimal digits, with or without colons, `sha256:` in front if you like |
        | list, networks | a YAML list, or one text with commas or blanks between; a network is `192.0.2.7` or \
        `10.0.0.0/8` |
        | header rules | a list of `"proxy + from {url}"` or `[proxy, +, from, "{url}"]`: `proxy` changes the request, \
        else the response; `+` adds, `-` removes, `?` sets if absent, none of them sets |

        ## Rules

        - A server needs `bind_addr`, a client needs `server`.
        - `token` stands alone; `username` and `password` go together. So do `cert` and `key`, `map_cert` and `map_key`.
        - A server without a credential is refused, unless `bind_addr` is a loopback address (127.0.0.0/8, ::1,
          `localhost`) or `auth: none` is set.
        - A client with `ts: true` verifies its server by `ca` (or `ca: system`), by `fingerprint`, or by the shared
          secret. With none of them it is refused, unless the server is on a loopback address or `insecure: true` is
          set.
        - A credential without TLS (`tc`, `ts`) is refused, unless the address is a loopback one or `insecure: true` is
          set.
        - Two listeners cannot have the same port of the same address; port 0 is always free.
        - `ping_timeout` is longer than `ping_interval`.
        - Mappings of one client have different names, and two of the same mode different domains. `http` and `https`
          need a `domain`.
        - A `udp` mapping needs a `remote_addr`. Of the `tcp` mappings without one only the first has visitors: there is
          one TCP edge. Two mappings of the same mode cannot have the same port of the same address; port 0 is always
          free.

        """
}

extension Option.Place {
    fileprivate var title: String {
        switch self {
        case .server: "Server"
        case .client: "Client"
        case .mapping: "Mapping"
        case .engine: "Engine"
        case .user: "User"
        case .certificate: "Certificate"
        }
    }

    fileprivate var introduction: String {
        switch self {
        case .server: "The public end."
        case .client: "The end beside the local services."
        case .mapping: "One entry of a client's `mappings`, or the text that adds a mapping to a running client."
        case .engine: "The threads that several servers and clients in one program may share."
        case .user: "One entry of a server's `users`."
        case .certificate: "One entry of a server's `certs`."
        }
    }
}
