import SluiceBytes
import SluiceTelemetry

/// Request ids: taken from the client where they are harmless, else made; one per attempt upstream.
package enum RequestIdentity {
    /// Bytes of a client's id at most.
    package static let bytesMax = 128

    /// Whether a client's `X-Request-Id` is taken over: 1 – 128 of `[A-Za-z0-9._-]`, so that it can
    /// stand in logs and headers as it is.
    package static func isAcceptable(_ bytes: Span<UInt8>) -> Bool {
        guard bytes.count >= 1, bytes.count <= bytesMax else { return false }
        for i in 0..<bytes.count {
            let byte = bytes[i]
            let isLetter = (byte | 0x20) &- 0x61 < 26
            let isDigit = byte &- 0x30 < 10
            guard isLetter || isDigit || byte == 0x2E || byte == 0x5F || byte == 0x2D else {
                return false
            }
        }
        return true
    }

    /// A new id: UUID version 7, so that ids sort by time.
    ///
    /// - Source: RFC 9562 §5.7.
    package static func make(unixMilliseconds: UInt64, random a: UInt64, _ b: UInt64)
        -> InlineText<128>
    {
        let high = unixMilliseconds << 16 | 0x7000 | (a & 0x0FFF)
        let low = (b & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000
        var id = InlineText<128>()
        for nibble in 0..<32 {
            if nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20 { id.append(0x2D) }
            let word = nibble < 16 ? high : low
            let value = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * (nibble & 15))) & 15
            id.append(value < 10 ? 0x30 | value : 0x57 + value)
        }
        return id
    }

    /// The six characters that make an attempt's id unique, packed little-endian.
    package static func attemptSuffix(random: UInt64) -> UInt64 {
        // Crockford's alphabet, lower case: digits and the letters without i, l, o, u.
        var packed: UInt64 = 0
        for place in 0..<6 {
            let index = random >> UInt64(5 * place) & 31
            var byte = 0x30 &+ index
            if index >= 10 { byte = 0x57 &+ index }
            if index >= 18 { byte &+= 1 }
            if index >= 20 { byte &+= 1 }
            if index >= 22 { byte &+= 1 }
            if index >= 27 { byte &+= 1 }
            packed |= byte << UInt64(8 * place)
        }
        return packed
    }

    /// Appends `<id>-<suffix>`: what vLLM takes as the engine's id (`chatcmpl-<id>`).
    package static func append(_ id: InlineText<128>, suffix: UInt64, to buffer: inout ByteBuffer) {
        buffer.append(id.bytes)
        buffer.append(0x2D as UInt8)
        for place in 0..<6 { buffer.append(UInt8(truncatingIfNeeded: suffix >> UInt64(8 * place))) }
    }
}
