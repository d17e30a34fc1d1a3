import WMPWire

extension Option {
    /// What an option's value may be: reads it, and says so in words for messages and for the reference page.
    enum Kind: Sendable, Equatable {
        /// Any text without control characters, of at most so many bytes.
        case text(maximum: Int)
        /// Like `text`, and never shown in a message.
        case secret
        /// Letters, digits, `.`, `_` and `-`, at most 64.
        case name
        case boolean
        case integer(ClosedRange<Int>)
        /// Milliseconds; 0 where the range has it means "never".
        case duration(ClosedRange<Int>)
        case size(ClosedRange<Int>)
        /// Where to listen: `host:port`, or `:port` for all IPv4 addresses of the machine.
        case listener
        /// Where to connect: `host:port`.
        case endpoint
        /// `host:port`, or a port alone, which then stands for this host.
        case endpointOrPort(host: String)
        case address
        case hostName
        case path
        /// A SHA-256 digest in hexadecimal.
        case fingerprint
        case choice([String])
        /// Any of these words, or the sum of their values: 1, 2, 4 … in order.
        case flags([String])
        case texts
        case networks
        case headers
        /// A list whose entries are groups of keys of that place.
        case list(of: Place)

        /// What a value must be, to follow "must be" in a message.
        var requirement: String {
            switch self {
            case .text(let maximum): "a text of at most \(maximum) bytes without control characters"
            case .secret: "a text of at most 1024 bytes without control characters"
            case .name: "a name of at most 64 letters, digits, '.', '_' or '-'"
            case .boolean: "true or false"
            case .integer(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
            case .duration(let range):
                "a duration such as 10s or 500ms, from \(Quantity.duration(range.lowerBound)) to "
                    + Quantity.duration(range.upperBound)
            case .size(let range):
                "a size such as 64KiB or 16MiB, from \(Quantity.size(range.lowerBound)) to "
                    + Quantity.size(range.upperBound)
            case .listener: "an address and port to listen at such as 127.0.0.1:8091, [::1]:8091 or :8091"
            case .endpoint: "a host and port such as 127.0.0.1:8091, [::1]:8091 or example.org:8091"
            case .endpointOrPort: "a host and port such as 127.0.0.1:8080, or a port"
            case .address: "an IP address"
            case .hostName: "a host name such as app.example.org or an IPv4 address"
            case .path: "a path of at most 4095 bytes"
            case .fingerprint: "a SHA-256 fingerprint: 64 hexadecimal digits, colons allowed"
            case .choice(let words): words.map { "'\($0)'" }.joined(separator: " or ")
            case .flags(let words):
                words.joined(separator: ", ") + ", several of them, or their sum from 0 to \(1 << words.count - 1)"
            case .texts: "a list of texts"
            case .networks: "a list of addresses or networks such as 192.0.2.7 or 10.0.0.0/8"
            case .headers: "a list of header rules such as 'proxy + from {url}' or [proxy, +, from, '{url}']"
            case .list(let place): "a list of \(place.entries)"
            }
        }

        /// One word or two for the tables of the reference page.
        var label: String {
            switch self {
            case .text, .secret: "text"
            case .name: "name"
            case .boolean: "true, false"
            case .integer(let range): "\(range.lowerBound) – \(range.upperBound)"
            case .duration(let range):
                "duration, \(Quantity.duration(range.lowerBound)) – \(Quantity.duration(range.upperBound))"
            case .size(let range): "size, \(Quantity.size(range.lowerBound)) – \(Quantity.size(range.upperBound))"
            case .listener: "listen address"
            case .endpoint: "host:port"
            case .endpointOrPort: "host:port or port"
            case .address: "IP address"
            case .hostName: "host name"
            case .path: "path"
            case .fingerprint: "fingerprint"
            case .choice(let words): words.joined(separator: ", ")
            case .flags(let words): words.joined(separator: ", ")
            case .texts: "list"
            case .networks: "networks"
            case .headers: "header rules"
            case .list(let place): "list of \(place.entries)"
            }
        }
    }
}

extension Option.Kind {
    /// Whether a message may show the value.
    var isSecret: Bool { self == .secret }

    /// Reads one word. Nil if it is not of this kind.
    func value(of text: String) -> Value? {
        switch self {
        case .text(let maximum): text.isSafe(maximum) ? .text(text) : nil
        case .secret: text.isSafe(1024) ? .text(text) : nil
        case .name: text.isName ? .text(text) : nil
        case .boolean: Self.boolean(text).map { .boolean($0) }
        case .integer(let range): Int(decimal: text).within(range).map { .integer($0) }
        case .duration(let range): Quantity.milliseconds(text).within(range).map { .integer($0) }
        case .size(let range): Quantity.bytes(text).within(range).map { .integer($0) }
        case .listener: Endpoint(text, emptyHost: "0.0.0.0").map { .endpoint($0) }
        case .endpoint: Endpoint(text).map { .endpoint($0) }
        case .endpointOrPort(let host): Endpoint(text, emptyHost: host, barePort: true).map { .endpoint($0) }
        case .address: IPAddress(text).map { .address($0) }
        case .hostName: DomainName.normalized(text).map { .text($0) }
        case .path: text.utf8.count <= 4095 ? .text(text) : nil
        case .fingerprint: Self.fingerprint(text).map { .fingerprint($0) }
        case .choice(let words): words.contains(text.lowercased()) ? .text(text.lowercased()) : nil
        case .flags(let words):
            Int(decimal: text).within(0...(1 << words.count - 1)).map { .integer($0) }
                ?? Self.sum(of: text.words, among: words)
        case .texts: .texts(text.words)
        case .networks: Self.networks(text.words)
        case .headers, .list: nil
        }
    }

    /// Reads a list of words. Nil if it is not of this kind.
    func value(of items: [Node]) -> Value? {
        if case .headers = self { return Self.headers(items) }
        var words: [String] = []
        for item in items {
            guard case .scalar(let text, _) = item.content else { return nil }
            words.append(text)
        }
        switch self {
        case .texts: return words.allSatisfy { $0.isSafe(1024) && !$0.isEmpty } ? .texts(words) : nil
        case .networks: return Self.networks(words)
        case .flags(let known): return Self.sum(of: words, among: known)
        default: return nil
        }
    }

    /// YAML 1.1's words; a value in quotes counts as well.
    private static func boolean(_ text: String) -> Bool? {
        switch text.lowercased() {
        case "true", "yes", "on": true
        case "false", "no", "off": false
        default: nil
        }
    }

    private static func fingerprint(_ text: String) -> [UInt8]? {
        var digits: [UInt8] = []
        let text = text.lowercased()
        for character in text.hasPrefix("sha256:") ? text.dropFirst(7) : text[...] where character != ":" {
            guard character.isASCII, let digit = character.hexDigitValue else { return nil }
            digits.append(UInt8(digit))
        }
        guard digits.count == 64 else { return nil }
        return stride(from: 0, to: 64, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    private static func sum(of words: [String], among known: [String]) -> Value? {
        var sum = 0
        for word in words {
            guard let bit = known.firstIndex(of: word.lowercased()) else { return nil }
            sum |= 1 << bit
        }
        return .integer(sum)
    }

    private static func networks(_ words: [String]) -> Value? {
        let networks = words.compactMap { Network($0) }
        return networks.count == words.count ? .networks(networks) : nil
    }

    private static func headers(_ items: [Node]) -> Value? {
        var rules: [HeaderRule] = []
        for item in items {
            let rule: HeaderRule?
            switch item.content {
            case .scalar(let text, _): rule = HeaderRule(text)
            case .sequence(let parts):
                var words: [String] = []
                for part in parts {
                    guard case .scalar(let word, _) = part.content else { return nil }
                    words.append(word)
                }
                rule = HeaderRule(words: words)
            case .mapping: rule = nil
            }
            guard let rule else { return nil }
            rules.append(rule)
        }
        return .headers(rules)
    }
}

extension Int? {
    /// The number if it is there and in `range`.
    fileprivate func within(_ range: ClosedRange<Int>) -> Int? { flatMap { range.contains($0) ? $0 : nil } }
}

extension String {
    /// At most `maximum` bytes, none of them of a control character.
    fileprivate func isSafe(_ maximum: Int) -> Bool {
        utf8.count <= maximum && unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    }

    fileprivate var isName: Bool {
        (1...64).contains(utf8.count)
            && utf8.allSatisfy { $0.isASCIILetterOrDigit || Array("._-".utf8).contains($0) }
    }

    /// The words of a list written as one text, separated by commas or blanks.
    fileprivate var words: [String] { split { $0 == "," || $0 == " " || $0 == "\t" }.map { String($0) } }
}
