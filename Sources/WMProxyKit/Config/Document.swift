internal import CWMProxyYAML

/// Reads a YAML (or JSON) text into a tree of nodes that know where they stand.
///
/// Only what a configuration needs is accepted: one document, plain data. Anchors, aliases and tags are refused, so
/// that a node is as large as the text that wrote it, and size, depth and node count are bounded before memory is
/// taken.
package enum Document {
    /// Deepest accepted nesting of lists and mappings.
    package static let maximumDepth = 32
    /// Most scalars, keys, lists and mappings in one text.
    package static let maximumNodes = 100_000

    /// The root of `bytes`, which is always a mapping; an empty text is an empty mapping.
    package static func read(_ bytes: [UInt8]) throws(ConfigError) -> Node {
        let source = try SourceText(bytes)
        let reader = EventReader(source)
        var builder = TreeBuilder()
        while !builder.isComplete { try builder.take(reader.next()) }
        let root = builder.root ?? Node(position: .start, content: .mapping([]))
        switch root.content {
        case .mapping: return root
        case .scalar where root.isEmpty: return Node(position: root.position, content: .mapping([]))
        case .scalar, .sequence:
            throw ConfigError("expected 'key: value' lines, found \(root.shape)", at: root.position)
        }
    }
}

/// What the YAML parser reports, reduced to what a configuration may contain.
private enum Event {
    case scalar(String, isPlain: Bool)
    case sequenceStart
    case mappingStart
    case collectionEnd
    case documentStart
    case documentEnd
    case streamEnd
}

/// Owns one libyaml parser and the bytes it reads.
private final class EventReader {
    private let source: SourceText
    private let input: UnsafeMutableBufferPointer<UInt8>
    private let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)

    init(_ source: SourceText) {
        self.source = source
        input = .allocate(capacity: source.bytes.count)
        _ = input.initialize(from: source.bytes)
        // On failure (no memory) the parser is all zeroes, and the first parse reports an error.
        if yaml_parser_initialize(parser) == 1 {
            yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
            yaml_parser_set_input_string(parser, input.baseAddress, input.count)
        }
    }

    deinit {
        yaml_parser_delete(parser)
        parser.deallocate()
        input.deallocate()
    }

    /// The next event that matters, and where it is.
    func next() throws(ConfigError) -> (Event, Position) {
        var raw = yaml_event_t()
        guard parser.pointee.read_handler != nil, yaml_parser_parse(parser, &raw) == 1 else { throw problem() }
        defer { yaml_event_delete(&raw) }
        let position = position(raw.start_mark)
        switch raw.type {
        case YAML_SCALAR_EVENT:
            let scalar = raw.data.scalar
            try refuse(anchor: scalar.anchor, tag: scalar.tag, at: position)
            let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            guard !bytes.contains(0) else { throw ConfigError("a value contains a NUL character", at: position) }
            let text = String(decoding: bytes, as: UTF8.self)
            return (.scalar(text, isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE), position)
        case YAML_SEQUENCE_START_EVENT:
            try refuse(anchor: raw.data.sequence_start.anchor, tag: raw.data.sequence_start.tag, at: position)
            return (.sequenceStart, position)
        case YAML_MAPPING_START_EVENT:
            try refuse(anchor: raw.data.mapping_start.anchor, tag: raw.data.mapping_start.tag, at: position)
            return (.mappingStart, position)
        case YAML_ALIAS_EVENT:
            throw ConfigError("an alias ('*name') is not supported: write the value out", at: position)
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
            return (.collectionEnd, position)
        case YAML_DOCUMENT_START_EVENT:
            return (.documentStart, position)
        case YAML_DOCUMENT_END_EVENT:
            return (.documentEnd, position)
        case YAML_STREAM_START_EVENT:
            return try next()
        default:
            return (.streamEnd, position)
        }
    }

    private func refuse(
        anchor: UnsafeMutablePointer<yaml_char_t>?, tag: UnsafeMutablePointer<yaml_char_t>?, at position: Position
    ) throws(ConfigError) {
        if anchor != nil {
            throw ConfigError("an anchor ('&name') is not supported: write the value out", at: position)
        }
        if tag != nil { throw ConfigError("a tag ('!name') is not supported", at: position) }
    }

    private func problem() -> ConfigError {
        guard let problem = parser.pointee.problem else {
            return ConfigError("not enough memory to read the text", at: .start)
        }
        let context = parser.pointee.context.map { String(cString: $0) + ": " } ?? ""
        return ConfigError("\(context)\(String(cString: problem))", at: position(parser.pointee.problem_mark))
    }

    private func position(_ mark: yaml_mark_t) -> Position {
        source.position(line: Int(clamping: mark.line), column: Int(clamping: mark.column))
    }
}

/// Puts events together, without recursion.
private struct TreeBuilder {
    private(set) var root: Node?
    private(set) var isComplete = false
    private var open: [Collection] = []
    private var nodes = 0
    private var documents = 0

    /// A list or mapping whose end has not come yet.
    private struct Collection {
        var position: Position
        var isMapping: Bool
        var items: [Node] = []
        var entries: [Node.Entry] = []
        var lines: [String: Int] = [:]
        var key: (name: String, position: Position)?
    }

    mutating func take(_ occurrence: (event: Event, position: Position)) throws(ConfigError) {
        let position = occurrence.position
        switch occurrence.event {
        case .scalar(let text, let isPlain):
            try count(at: position)
            if let last = open.indices.last, open[last].isMapping, open[last].key == nil {
                try begin(key: text, at: position, in: last)
            } else {
                add(Node(position: position, content: .scalar(text, isPlain: isPlain)))
            }
        case .sequenceStart, .mappingStart:
            try count(at: position)
            if let last = open.last, last.isMapping, last.key == nil {
                throw ConfigError("a key must be a single word", at: position)
            }
            guard open.count < Document.maximumDepth else {
                throw ConfigError("more than \(Document.maximumDepth) levels of nesting", at: position)
            }
            var isMapping = false
            if case .mappingStart = occurrence.event { isMapping = true }
            open.append(Collection(position: position, isMapping: isMapping))
        case .collectionEnd:
            guard let ended = open.popLast() else { return }
            add(
                Node(
                    position: ended.position,
                    content: ended.isMapping ? .mapping(ended.entries) : .sequence(ended.items)))
        case .documentStart:
            documents += 1
            if documents > 1 { throw ConfigError("a second document ('---') is not supported", at: position) }
        case .documentEnd:
            break
        case .streamEnd:
            isComplete = true
        }
    }

    private mutating func count(at position: Position) throws(ConfigError) {
        nodes += 1
        if nodes > Document.maximumNodes {
            throw ConfigError("more than \(Document.maximumNodes) values in one text", at: position)
        }
    }

    private mutating func begin(key: String, at position: Position, in last: Int) throws(ConfigError) {
        if let first = open[last].lines.updateValue(position.line, forKey: key) {
            throw ConfigError("key \(key.quoted) appears twice, first on line \(first)", at: position)
        }
        open[last].key = (key, position)
    }

    private mutating func add(_ node: Node) {
        guard let last = open.indices.last else {
            root = node
            return
        }
        if let key = open[last].key {
            open[last].entries.append(.init(key: key.name, position: key.position, value: node))
            open[last].key = nil
        } else {
            open[last].items.append(node)
        }
    }
}
