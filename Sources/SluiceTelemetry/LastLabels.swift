import SluiceBytes

/// The labels of the last line that was written, which the next one mostly has too.
struct LastLabels: Sendable {
    /// Bytes of labels that are kept at most; longer ones are written anew each time.
    static let bytesMax = 512

    /// The labels as they were written; empty where none are kept.
    private(set) var text = InlineText<512>()
    // What the text says, packed.
    private var ends: UInt64 = 0
    private var names: UInt64 = 0
    private var replica: Int32 = -1
    private var path = InlineText<96>()
    private var client = InlineText<46>()

    /// Whether the kept labels are those of `record`; never where there was a second attempt, whose
    /// replicas are listed.
    @inline(__always) mutating func areLabels(of record: inout ExchangeRecord) -> Bool {
        !text.isEmpty && names == Self.names(of: &record) && ends == Self.ends(of: &record)
            && replica == record.replicaIndex && record.attempts <= 1
            && path.count == record.path.count && client.count == record.client.count
            && path.bytes.hasBytes(record.path.bytes, from: 0, count: path.count, at: 0)
            && client.bytes.hasBytes(record.client.bytes, from: 0, count: client.count, at: 0)
    }

    /// Keeps the labels of `record` as they were written.
    mutating func keep(_ record: inout ExchangeRecord, _ labels: Span<UInt8>) {
        text.removeAll()
        guard labels.count <= Self.bytesMax, record.attempts <= 1 else { return }
        text.append(labels)
        names = Self.names(of: &record)
        ends = Self.ends(of: &record)
        replica = record.replicaIndex
        path.removeAll()
        path.append(record.path.bytes)
        client.removeAll()
        client.append(record.client.bytes)
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
