import SluiceBytes

/// Spans as OTLP sends them: the request `ExportTraceServiceRequest` and its answer.
///
/// Source: opentelemetry-proto 1.9, `collector/trace/v1/trace_service.proto`, `trace/v1/trace.proto`,
/// `common/v1/common.proto`, `resource/v1/resource.proto`; field numbers stand beside the names.
package enum TraceExport {
    /// The instrumentation that made the spans.
    static let scope: StaticString = "sluice"

    /// Who exports.
    package struct Resource: Sendable {
        package let attributes: [Attribute]
        /// Of the gateway.
        package let version: String

        package init(_ attributes: [Attribute], version: String) {
            self.attributes = attributes
            self.version = version
        }
    }

    /// The body of a request with these spans.
    package static func request(_ spans: [TraceSpan], from resource: Resource) -> [UInt8] {
        var writer = WireWriter(bytes: spans.count * spanBytes + spanBytes)
        // resource_spans
        writer.message(1, lengthBytes: 3) { writer in
            // resource
            writer.message(1, lengthBytes: 2) { append(resource.attributes, 1, to: &$0) }
            // scope_spans
            writer.message(2, lengthBytes: 3) { writer in
                // scope: name, version
                writer.message(1) {
                    $0.text(1, scope)
                    $0.text(2, resource.version)
                }
                for span in spans { writer.message(2, lengthBytes: 2) { append(span, to: &$0) } }
            }
        }
        return writer.array()
    }

    /// Bytes that a span has about.
    private static let spanBytes = 512

    private static func append(_ span: TraceSpan, to writer: inout WireWriter) {
        // trace_id, span_id, parent_span_id
        writer.id(1, span.trace.high, span.trace.low)
        writer.id(2, span.id.bits)
        if let parent = span.parent { writer.id(4, parent.bits) }
        // name, kind
        writer.text(5, span.name)
        writer.integer(6, Int64(span.kind.rawValue))
        // start_time_unix_nano, end_time_unix_nano
        writer.fixed64(7, UInt64(max(0, span.start)))
        writer.fixed64(8, UInt64(max(0, span.end)))
        append(span.attributes, 9, to: &writer)
        for event in span.events {
            // events: time_unix_nano, name
            writer.message(11) {
                $0.fixed64(1, UInt64(max(0, event.at)))
                $0.text(2, event.name)
            }
        }
        // status: code
        if span.isError { writer.message(15) { $0.integer(3, statusError) } }
        writer.fixed32(16, flags(span))
    }

    /// `STATUS_CODE_ERROR`.
    private static let statusError: Int64 = 2

    /// `SpanFlags`: sampled; that it is known whether the parent is remote; that it is.
    private static func flags(_ span: TraceSpan) -> UInt32 { span.isParentRemote ? 0x301 : 0x101 }

    private static func append(
        _ attributes: [Attribute], _ field: Int, to writer: inout WireWriter
    ) {
        for attribute in attributes {
            // KeyValue: key, value
            writer.message(field) { writer in
                writer.text(1, attribute.name)
                writer.message(2) { append(attribute.value, to: &$0) }
            }
        }
    }

    /// `AnyValue`.
    private static func append(_ value: AttributeValue, to writer: inout WireWriter) {
        switch value {
        case .text(let text): writer.text(1, text)
        case .label(let label): writer.text(1, label)
        case .boolean(let boolean): writer.integer(2, boolean ? 1 : 0)
        case .integer(let integer): writer.integer(3, integer)
        case .number(let number): writer.real(4, number)
        }
    }

    /// How many spans the collector has refused, by the body of its answer with 200
    /// (`ExportTraceServiceResponse`, `partial_success`, `rejected_spans`); 0 where it is none.
    package static func rejectedSpans(in answer: [UInt8]) -> Int {
        var response = WireReader(answer, 0..<answer.count)
        while let (field, value) = response.next() {
            guard field == 1, case .bytes(let range) = value else { continue }
            var partial = WireReader(answer, range)
            while let (field, value) = partial.next() {
                guard field == 1, case .number(let count) = value else { continue }
                return Int(clamping: max(0, Int64(bitPattern: count)))
            }
        }
        return 0
    }
}
