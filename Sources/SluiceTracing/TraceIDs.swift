import SluiceBytes

/// The id of a trace: sixteen bytes, not all zero. Source: W3C Trace Context §3.2.2.3.
package struct TraceID: Hashable, Sendable {
    /// The first eight bytes, the first highest.
    package let high: UInt64
    /// The last eight.
    package let low: UInt64

    /// Nil for the invalid id, all zero.
    package init?(high: UInt64, low: UInt64) {
        if high | low == 0 { return nil }
        self.high = high
        self.low = low
    }

    /// A new one.
    package init(random: inout some RandomNumberGenerator) {
        high = random.next()
        // Zero once in 2^64 cases.
        low = random.next() | (high == 0 ? 1 : 0)
    }
}

/// The id of a span: eight bytes, not all zero. Source: W3C Trace Context §3.2.2.4.
package struct SpanID: Hashable, Sendable {
    /// The bytes, the first highest.
    package let bits: UInt64

    /// Nil for the invalid id, all zero.
    package init?(_ bits: UInt64) {
        if bits == 0 { return nil }
        self.bits = bits
    }

    /// A new one.
    package init(random: inout some RandomNumberGenerator) {
        let bits: UInt64 = random.next()
        self.bits = bits == 0 ? 1 : bits
    }
}
