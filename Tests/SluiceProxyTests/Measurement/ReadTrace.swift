@testable import SluiceTracing

/// A trace as a collector reads it: as much of OTLP as these tests want.
///
/// Tests/Clients/test_tracing.py reads the same with OpenTelemetry's own classes.
struct ReadTrace {
    struct ReadSpan {
        var trace = ""
        var name = ""
        var kind: UInt64 = 0
        /// Nanoseconds since 1970.
        var (start, end): (Int64, Int64) = (0, 0)
        /// By name.
        var events: [String: Int64] = [:]

        var seconds: Double { Double(end - start) * 1e-9 }
    }

    let root: ReadSpan
    /// In the order in which they were sent.
    let parts: [ReadSpan]

    /// The spans of the trace in the bodies of `ExportTraceServiceRequest`s; nil without a root.
    init?(_ id: String, in bodies: [[UInt8]]) {
        let spans = bodies.flatMap(Self.spans).filter { $0.trace == id }
        // SPAN_KIND_SERVER
        guard let root = spans.first(where: { $0.kind == 2 }) else { return nil }
        self.root = root
        parts = spans.filter { $0.kind != 2 }
    }

    /// resource_spans, scope_spans, spans
    private static func spans(_ body: [UInt8]) -> [ReadSpan] {
        messages(1, body, 0..<body.count).flatMap { messages(2, body, $0) }
            .flatMap { messages(2, body, $0) }.map { span(body, $0) }
    }

    private static func messages(
        _ field: UInt64, _ body: [UInt8], _ range: Range<Int>
    ) -> [Range<Int>] {
        var reader = WireReader(body, range)
        var found: [Range<Int>] = []
        while let next = reader.next() {
            if next.field == field, case .bytes(let range) = next.value { found.append(range) }
        }
        return found
    }

    private static func span(_ body: [UInt8], _ range: Range<Int>) -> ReadSpan {
        var span = ReadSpan()
        var reader = WireReader(body, range)
        while let (field, value) = reader.next() {
            switch (field, value) {
            case (1, .bytes(let range)):
                span.trace = body[range].map { byte in
                    String(byte >> 4, radix: 16) + String(byte & 15, radix: 16)
                }.joined()
            case (5, .bytes(let range)): span.name = text(body, range)
            case (6, .number(let kind)): span.kind = kind
            case (7, .bytes(let range)): span.start = fixed(body, range)
            case (8, .bytes(let range)): span.end = fixed(body, range)
            case (11, .bytes(let range)):
                let name = messages(2, body, range).first.map { text(body, $0) } ?? ""
                span.events[name] = messages(1, body, range).first.map { fixed(body, $0) }
            default: break
            }
        }
        return span
    }

    private static func text(_ body: [UInt8], _ range: Range<Int>) -> String {
        String(decoding: body[range], as: UTF8.self)
    }

    private static func fixed(_ body: [UInt8], _ range: Range<Int>) -> Int64 {
        body[range].reversed().reduce(0) { $0 << 8 | Int64($1) }
    }
}
