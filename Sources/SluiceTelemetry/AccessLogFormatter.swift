import SluiceBytes
import SluiceTime

/// Writes exchange records as lines of the JSON access log, schema version 1 (docs/metrics.md, *Access log*).
///
/// Made anew when the name tables change: names are escaped once here, so that a line only copies
/// them. Whatever a peer sent is escaped to printable ASCII: nobody can forge a line or move a
/// terminal's cursor. Never contains prompts, answers or keys.
package struct AccessLogFormatter: Sendable {
    /// Bytes of a line at most, its end included: all texts escaped sixfold and all names cut.
    package static let lineBytesMax = 16_384
    /// Bytes of a configured or discovered name that are written.
    static let nameBytesMax = 256

    private let models: EscapedNames
    private let classes: EscapedNames
    private let tenants: EscapedNames
    private let replicas: EscapedNames
    /// The second whose text is kept in ``secondText``: consecutive lines mostly share it.
    private var second: UInt64 = .max
    /// `YYYY-MM-DDTHH:MM:SS.` of ``second``.
    private var secondText = InlineText<20>()
    /// What the line before said of its client, path, model, end and replica.
    private var lastLabels = LastLabels()

    /// A formatter that knows the names of `tables`.
    package init(_ tables: NameTables) {
        models = EscapedNames(tables.models.names)
        classes = EscapedNames(tables.classes)
        tenants = EscapedNames(tables.tenants)
        replicas = EscapedNames(tables.replicas.map { $0?.name ?? "gone" })
    }

    /// Appends one line with its end. A member without a value is left out, and so are a count of
    /// zero that most lines would have and the list of a single replica. Changes nothing in the
    /// record: a borrow of it would be passed as a copy.
    package mutating func append(_ record: inout ExchangeRecord, into out: inout ByteBuffer) {
        assert(!record.isRequestIDPlain || record.requestID.isPlain)
        let isPlainID = record.isRequestIDPlain || record.requestID.isPlain
        let hasLastLabels = lastLabels.areLabels(of: &record)
        if hasLastLabels, isPlainID, record.traceID.isEmpty {
            return appendLikeLast(&record, into: &out)
        }
        out.reserve(1_536)
        appendBeginning(&record, into: &out)
        Self.append(record.requestID.bytes, isPlain: isPlainID, into: &out)
        out.append(0x22)
        if record.attempts > 0 {
            Self.appendAttemptIDs(&record, isPlainID: isPlainID, into: &out)
        }
        if !record.traceID.isEmpty {
            out.append(",\"trace_id\":\"")
            Self.appendEscaped(record.traceID.bytes, into: &out)
            out.append(0x22)
        }
        if hasLastLabels {
            out.append(lastLabels.text.bytes)
        } else {
            let start = out.count
            appendLabels(&record, into: &out)
            lastLabels.keep(&record, out.bytes.extracting(start..<out.count))
        }
        Self.appendNumbers(&record, into: &out)
    }

    /// A line as most are: its id needs no escaping, there was one attempt at most, and the labels are
    /// those of the line before. Its bytes are written without a look at the buffer between them.
    private mutating func appendLikeLast(
        _ record: inout ExchangeRecord, into out: inout ByteBuffer
    ) {
        var line = RoomWriter(to: &out, atMost: Self.likeLastBytesMax)
        appendTime(record.startedUnixNanoseconds, into: &line)
        line.append(record.requestID.bytes)
        if record.attempts > 0 {
            line.append("\",\"upstream_request_ids\":[\"")
            line.append(record.requestID.bytes)
            line.append(packed: Self.attemptIDEnd(record.attemptSuffixes[0]), count: 8)
            line.append("]")
        } else {
            line.append("\"")
        }
        line.append(lastLabels.text.bytes)
        Self.writeNumbers(&record, into: &line)
        line.giveBack(to: &out)
    }

    /// Bytes of such a line at most: time and names, the id twice, labels, numbers.
    private static let likeLastBytesMax = 256 + 2 * 128 + LastLabels.bytesMax + numbersBytesMax

    private static func appendAttemptIDs(
        _ record: inout ExchangeRecord, isPlainID: Bool, into out: inout ByteBuffer
    ) {
        out.append(",\"upstream_request_ids\":[\"")
        for attempt in 0..<Int(record.attempts) {
            if attempt > 0 { out.append(",\"") }
            append(record.requestID.bytes, isPlain: isPlainID, into: &out)
            out.append(packed: attemptIDEnd(record.attemptSuffixes[attempt]), count: 8)
        }
        out.append(0x5D)
    }

    /// A dash, an attempt's six characters and the closing quote, packed.
    @inline(__always) private static func attemptIDEnd(_ suffix: UInt64) -> UInt64 {
        // Base 32 characters; anything else is a caller's mistake and must not break JSON.
        let suffix = suffix & 0xFFFF_FFFF_FFFF
        let isAlphanumeric = suffix.isLowerAlphanumeric(count: 6)
        let text = isAlphanumeric ? suffix : 0x3F3F_3F3F_3F3F
        return text << 8 | 0x22_0000_0000_0000_2D
    }

    /// From the client to the replicas: what many requests have in common.
    private mutating func appendLabels(_ record: inout ExchangeRecord, into out: inout ByteBuffer) {
        out.append(",\"client\":\"")
        Self.append(record.client.bytes, isPlain: record.client.isPlain, into: &out)
        out.append("\",\"method\":\"")
        out.append(record.method.label)
        out.append("\",\"path\":\"")
        Self.appendEscaped(record.path.bytes, into: &out)
        out.append("\",\"model_name\":\"")
        models.append(Int(record.modelIndex), into: &out)
        if record.tenantIndex >= 0 {
            out.append("\",\"tenant\":\"")
            tenants.append(Int(record.tenantIndex), into: &out)
        }
        out.append("\",\"class\":\"")
        classes.append(Int(record.classIndex), into: &out)
        out.append(
            record.isStream ? "\",\"stream\":true,\"status\":" : "\",\"stream\":false,\"status\":")
        out.appendDecimal(Int(record.status))
        out.append(",\"outcome\":\"")
        out.append(record.outcome.label)
        if record.reason != .none {
            out.append("\",\"reason\":\"")
            out.append(record.reason.label)
        }
        out.append("\",\"phase\":\"")
        out.append(record.endPhase.label)
        out.append(0x22)
        if record.replicaIndex >= 0 { appendReplicas(&record, into: &out) }
    }

    private mutating func appendReplicas(
        _ record: inout ExchangeRecord, into out: inout ByteBuffer
    ) {
        out.append(",\"replica\":\"")
        replicas.append(Int(record.replicaIndex), into: &out)
        out.append(0x22)
        guard record.attempts > 1 else { return }
        out.append(",\"replicas_tried\":[")
        for attempt in 0..<Int(record.attempts) {
            out.append(attempt == 0 ? "\"" : ",\"")
            replicas.append(Int(record.replicasTried[attempt]), into: &out)
            out.append(0x22)
        }
        out.append(0x5D)
    }

    private static func appendNumbers(
        _ record: inout ExchangeRecord, into out: inout ByteBuffer
    ) {
        var line = RoomWriter(to: &out, atMost: numbersBytesMax)
        writeNumbers(&record, into: &line)
        line.giveBack(to: &out)
    }

    /// The numbers of a line and its end, within ``numbersBytesMax``.
    @inline(__always)
    private static func writeNumbers(_ record: inout ExchangeRecord, into line: inout RoomWriter) {
        line.append(",\"bytes_in\":", decimal: Int(truncatingIfNeeded: record.bytesIn))
        line.append(",\"bytes_out\":", decimal: Int(truncatingIfNeeded: record.bytesOut))
        append(",\"receive_ms\":", record.receiveTime, into: &line)
        if record.received.isSet {
            let stages = record.stageTimes
            append(",\"queue_ms\":", stages[0], into: &line)
            if record.admitted.isSet {
                append(",\"connect_ms\":", stages[1], into: &line)
                if record.sent.isSet { append(",\"engine_ms\":", stages[2], into: &line) }
            }
        }
        append(",\"ttft_ms\":", record.timeToFirstToken, into: &line)
        append(",\"duration_ms\":", record.duration, into: &line)
        if record.predictedWait.count >= 0 {
            append(",\"predicted_wait_ms\":", record.predictedWait, into: &line)
        }
        append(",\"prompt_tokens\":", record.promptTokens, from: 0, into: &line)
        append(",\"generation_tokens\":", record.generationTokens, from: 0, into: &line)
        let events = Int32(truncatingIfNeeded: record.contentEvents)
        append(",\"events\":", events, from: 1, into: &line)
        if record.blocked > .zero { append(",\"blocked_ms\":", record.blocked, into: &line) }
        append(",\"retries\":", Int32(record.retries), from: 1, into: &line)
        line.append("}\n")
    }

    /// Bytes of a line's numbers at most: fourteen of them, with names of 22 bytes at most, and of
    /// the line's end.
    private static let numbersBytesMax = 1_024

    // MARK: Parts

    /// A count, unless it is below `least`.
    @inline(__always)
    private static func append(
        _ name: StaticString, _ count: Int32, from least: Int32, into line: inout RoomWriter
    ) {
        if count >= least { line.append(name, decimal: Int(count)) }
    }

    /// A time that is known, in milliseconds with three digits after the point; none as `0`.
    @inline(__always)
    private static func append(
        _ name: StaticString, _ time: Nanoseconds?, into line: inout RoomWriter
    ) {
        guard let time else { return }
        let microseconds = UInt64(max(0, time.count)) / 1_000
        if microseconds > 0 { return line.append(name, thousandths: microseconds) }
        line.append(name)
        line.append("0")
    }

    private mutating func appendBeginning(
        _ record: inout ExchangeRecord, into out: inout ByteBuffer
    ) {
        var line = RoomWriter(to: &out, atMost: 96)
        appendTime(record.startedUnixNanoseconds, into: &line)
        line.giveBack(to: &out)
    }

    /// The line's beginning with the time, RFC 3339 in UTC with milliseconds, and the name of the field
    /// that follows; at most 96 bytes.
    @inline(__always)
    private mutating func appendTime(_ unixNanoseconds: Int64, into line: inout RoomWriter) {
        let clock = UInt64(max(0, unixNanoseconds)) / 1_000_000
        if clock / 1_000 != second {
            second = clock / 1_000
            secondText = Self.secondText(second)
        }
        // Three digits and a Z, the first lowest.
        let digits = DecimalText.fourDigits(clock % 1_000) >> 8
        line.append("{\"v\":1,\"time\":\"")
        line.append(secondText.bytes)
        line.append(packed: digits | 0x5A00_0000, count: 4)
        line.append("\",\"request_id\":\"")
    }

    private static func secondText(_ second: UInt64) -> InlineText<20> {
        let time = CivilTime(unixSeconds: Int(clamping: second))
        var text = InlineText<20>()
        func append(_ number: Int, _ end: UInt8) {
            text.append(UInt8(truncatingIfNeeded: number / 10 % 10) | 0x30)
            text.append(UInt8(truncatingIfNeeded: number % 10) | 0x30)
            if end != 0 { text.append(end) }
        }
        append(time.year / 100, 0)
        append(time.year, 0x2D)
        append(time.month, 0x2D)
        append(time.day, 0x54)
        append(time.hour, 0x3A)
        append(time.minute, 0x3A)
        append(time.second, 0x2E)
        return text
    }

    /// Whether `byte` may stand in a JSON string as it is: printable ASCII but `"` and `\`.
    @inline(__always)
    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x7F && byte != 0x22 && byte != 0x5C
    }

    /// Whether all of `bytes` may stand in a JSON string as they are.
    private static func isPlain(_ bytes: Span<UInt8>) -> Bool {
        bytes.firstOtherThanPlainText(from: 0, to: bytes.count) == bytes.count
    }

    @inline(__always)
    private static func append(_ bytes: Span<UInt8>, isPlain: Bool, into out: inout ByteBuffer) {
        if isPlain { out.append(bytes) } else { appendSlowly(bytes, into: &out) }
    }

    /// Text from a peer as the inside of a JSON string in printable ASCII; a byte that is not is
    /// written as the code point of the same number.
    package static func appendEscaped(_ bytes: Span<UInt8>, into out: inout ByteBuffer) {
        append(bytes, isPlain: isPlain(bytes), into: &out)
    }

    private static func appendSlowly(_ bytes: Span<UInt8>, into out: inout ByteBuffer) {
        for index in 0..<bytes.count {
            let byte = bytes[index]
            if isPlain(byte) {
                out.append(byte)
            } else if byte == 0x22 || byte == 0x5C {
                out.append(0x5C)
                out.append(byte)
            } else {
                out.append("\\u00")
                if byte < 0x10 { out.append(0x30) }
                out.appendHex(Int(byte))
            }
        }
    }
}
