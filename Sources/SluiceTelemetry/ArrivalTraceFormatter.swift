import SluiceBytes
import SluiceTime

/// Writes exchange records as lines of an arrival trace: when a request came and how long it was,
/// and nothing that says whose it was or what it said.
///
/// `sluice simulate --trace` replays it. Version 1: comma-separated, with the fields of ``head``.
/// No field can hold a comma: they are numbers, our own words, and names of classes.
package struct ArrivalTraceFormatter: Sendable {
    /// What a section begins with: a gateway's start, or a file opened anew.
    package static let head: StaticString = """
        # sluice arrival trace 1
        offset_ms,route,class,tenant,prompt_tokens,max_tokens,stream,outcome,output_tokens

        """
    /// Bytes of a line at most: seven numbers of at most twenty digits, two words and a name.
    package static let lineBytesMax = 512

    private let classes: EscapedNames
    /// What offsets are counted from.
    private let start: Instant

    /// - Parameter start: when the gateway began.
    package init(_ tables: NameTables, start: Instant) {
        classes = EscapedNames(tables.classes)
        self.start = start
    }

    /// Whether a request is one that a replica might have served: others are not written.
    package static func wants(_ record: borrowing ExchangeRecord) -> Bool {
        switch record.route {
        case .chatCompletions, .completions, .responses, .embeddings, .messages, .rerank, .score,
            .audioTranscriptions, .audioTranslations, .tokenize, .detokenize, .pooling, .classify:
            record.poolIndex >= 0
        case .responsesByID, .models, .health, .admin, .unknown: false
        }
    }

    /// Appends one line with its end; what is not known is -1. Changes nothing in the record.
    package func append(_ record: inout ExchangeRecord, into out: inout ByteBuffer) {
        out.reserve(Self.lineBytesMax)
        let came = record.received.isSet ? record.received : record.started
        out.appendThousandths(UInt64(max(0, (came - start).count)) / 1_000)
        out.append(0x2C)
        out.append(record.route.label)
        out.append(0x2C)
        classes.append(Int(record.classIndex), into: &out)
        out.append(0x2C)
        out.appendDecimal(Int(record.tenantIndex))
        out.append(0x2C)
        let isCounted = record.promptTokens >= 0
        out.appendDecimal(Int(isCounted ? record.promptTokens : record.promptTokensEstimated))
        out.append(0x2C)
        out.appendDecimal(Int(record.tokensMax))
        out.append(record.isStream ? ",1," : ",0,")
        out.append(record.outcome.label)
        out.append(0x2C)
        let events = record.isStream ? Int(truncatingIfNeeded: record.contentEvents) : -1
        out.appendDecimal(record.generationTokens >= 0 ? Int(record.generationTokens) : events)
        out.append(0x0A)
    }
}
