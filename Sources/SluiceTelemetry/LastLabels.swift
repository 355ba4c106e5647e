import SluiceBytes

/// The labels of the last line that was written, which the next one mostly has too.
struct LastLabels: Sendable {
    /// Bytes of labels that are kept at most; longer ones are written anew each time.
    static let bytesMax = 384

    private var text = InlineText<384>()
    // What the text says, packed.
    private var ends: UInt64 = 0
    private var names: UInt64 = 0
    private var path = InlineText<96>()

    /// Appends the kept labels where they are the record's; false where they are others.
    @inline(__always) mutating func append(
        _ record: inout ExchangeRecord, into out: inout ByteBuffer
    ) -> Bool {
        guard !text.isEmpty, names == Self.names(of: &record), ends == Self.ends(of: &record),
            path.count == record.path.count,
            path.bytes.hasBytes(record.path.bytes, from: 0, count: path.count, at: 0)
        else { return false }
        out.append(text.bytes)
        return true
    }

    /// Keeps the labels of `record` as they were written.
    mutating func keep(_ record: inout ExchangeRecord, _ labels: Span<UInt8>) {
        text.removeAll()
        guard labels.count <= Self.bytesMax else { return }
        text.append(labels)
        names = Self.names(of: &record)
        ends = Self.ends(of: &record)
        path.removeAll()
        path.append(record.path.bytes)
    }

    @inline(__always) private static func names(of record: inout ExchangeRecord) -> UInt64 {
        UInt64(record.modelIndex) | UInt64(UInt16(bitPattern: record.tenantIndex)) << 16
            | UInt64(record.classIndex) << 32 | UInt64(record.method.rawValue) << 40
    }

    @inline(__always) private static func ends(of record: inout ExchangeRecord) -> UInt64 {
        UInt64(record.status) | UInt64(record.outcome.rawValue) << 16
            | UInt64(record.reason.rawValue) << 24 | UInt64(record.endPhase.rawValue) << 32
            | (record.isStream ? 1 << 40 : 0)
    }
}
