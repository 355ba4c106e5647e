import SluiceExchange

/// The keys below `tracing`.
enum TracingKeys {
    /// Spans that may wait for the collector.
    static let queueRange = 64...1_000_000
    /// Characters of the service's name at most.
    static let nameMax = 128

    static var section: Key<GatewayDraft> {
        .section(
            "tracing", \.settings.tracing, keys, fresh: GatewaySettings.Tracing(),
            "Traces of exchanges, sent to an OpenTelemetry collector by OTLP over HTTP.")
    }

    private static var keys: [Key<GatewaySettings.Tracing>] {
        [
            .scalar(
                "endpoint", \.endpoint,
                .text("off, or \(CollectorURLText.form)", pattern: "^(off|https?://.+)$"),
                "The collector's OTLP/HTTP receiver; a URL without a path means /v1/traces. off: no traces.",
                parse: { text, _ throws(ValueProblem) -> String? in
                    if text == "off" { return nil }
                    try CollectorURLText.check(text)
                    return text
                }, show: { .text($0 ?? "off") }),
            .number(
                "sample_ratio", \.sampleRatio, 0...1,
                "Share of the requests without a traceparent of their own that are recorded; those that bring one are recorded where it says sampled."
            ),
            .scalar(
                "service_name", \.serviceName,
                .text("1 … \(nameMax) characters", pattern: "^.{1,\(nameMax)}$"),
                "What the gateway calls itself: the resource attribute service.name.",
                parse: { text, _ throws(ValueProblem) in
                    guard (1...nameMax).contains(text.count),
                        text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
                    else { throw ValueProblem("\(quoted(text)) is no name of a service") }
                    return text
                }, show: { .text($0) }),
            .integer(
                "queue_spans_max", \.queueSpansMax, queueRange,
                "Spans that wait for the collector; more are dropped and counted."),
            .optionalText(
                "headers_file", \.headersFile, .text("the name of a file", pattern: nil),
                "File with fields that go with each request to the collector, such as an authorization: `name: value`, one a line."
            ) { text, origin throws(ValueProblem) in
                try FileCheck.check(text, origin, .fieldLines)
            },
            .optionalText(
                "ca_file", \.caFile, .text("the name of a PEM file", pattern: nil),
                "PEM file of the CA that signed the collector's certificate; without it the system's CAs are believed."
            ) { text, origin throws(ValueProblem) in
                try FileCheck.check(text, origin, .authority)
            },
        ]
    }
}
