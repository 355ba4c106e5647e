/// A value of an attribute. Source: opentelemetry-proto, `AnyValue`.
package enum AttributeValue: Equatable, Sendable {
    case text(String)
    /// A text that was there before.
    case label(StaticString)
    case integer(Int64)
    case number(Double)
    case boolean(Bool)

    /// Whether they are the same to a collector.
    package static func == (a: AttributeValue, b: AttributeValue) -> Bool {
        if let text = a.string { return text == b.string }
        switch (a, b) {
        case (.integer(let a), .integer(let b)): return a == b
        case (.number(let a), .number(let b)): return a == b
        case (.boolean(let a), .boolean(let b)): return a == b
        case (.text, _), (.label, _), (.integer, _), (.number, _), (.boolean, _): return false
        }
    }

    private var string: String? {
        switch self {
        case .text(let text): text
        case .label(let label): label.description
        case .integer, .number, .boolean: nil
        }
    }
}

/// A name with its value.
package struct Attribute: Sendable {
    package let name: StaticString
    package let value: AttributeValue

    package var key: String { name.description }

    package init(_ name: StaticString, _ value: AttributeValue) {
        self.name = name
        self.value = value
    }
}

/// One operation within a trace. Source: opentelemetry-proto, `Span`.
package struct TraceSpan: Sendable {
    /// Where the operation stands to its parent; the raw value is that of the protocol.
    package enum Kind: Int32, Sendable {
        case `internal` = 1
        case server = 2
        case client = 3
    }

    /// What happened at one moment of it.
    package struct Event: Equatable, Sendable {
        package let name: String
        /// Nanoseconds since 1970.
        package let at: Int64

        package init(_ name: String, at: Int64) {
            self.name = name
            self.at = at
        }
    }

    package let trace: TraceID
    package let id: SpanID
    package let parent: SpanID?
    /// Whether the parent is somebody else's.
    package var isParentRemote = false
    package let name: String
    package let kind: Kind
    /// Nanoseconds since 1970; the end is never before the start.
    package let start: Int64
    package let end: Int64
    package var attributes: [Attribute] = []
    package var events: [Event] = []
    /// Whether it failed; why is the attribute `error.type`.
    package var isError = false

    package init(
        trace: TraceID, id: SpanID, parent: SpanID?, name: String, kind: Kind, start: Int64,
        end: Int64
    ) {
        self.trace = trace
        self.id = id
        self.parent = parent
        self.name = name
        self.kind = kind
        self.start = start
        self.end = max(start, end)
    }
}
