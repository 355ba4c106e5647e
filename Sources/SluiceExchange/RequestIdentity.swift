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

    /// Makes a new id of `id`: UUID version 7, so that ids sort by time.
    ///
    /// - Source: RFC 9562 §5.7.
    package static func make(
        unixMilliseconds: UInt64, random a: UInt64, _ b: UInt64, into id: inout InlineText<128>
    ) {
        let high = unixMilliseconds << 16 | 0x7000 | (a & 0x0FFF)
        let low = (b & 0x3FFF_FFFF_FFFF_FFFF) | 0x8000_0000_0000_0000
        // 8-4-4-4-12 digits.
        let (second, third) = (HexText.eightDigits(high), HexText.eightDigits(low >> 32))
        id.removeAll()
        id.append(packed: HexText.eightDigits(high >> 32), count: 8)
        id.append(0x2D)
        id.append(packed: second, count: 4)
        id.append(0x2D)
        id.append(packed: second >> 32, count: 4)
        id.append(0x2D)
        id.append(packed: third, count: 4)
        id.append(0x2D)
        id.append(packed: third >> 32, count: 4)
        id.append(packed: HexText.eightDigits(low), count: 8)
    }

    /// The six characters that make an attempt's id unique, packed little-endian.
    package static func attemptSuffix(random: UInt64) -> UInt64 {
        // Crockford's alphabet, lower case: digits and the letters without i, l, o, u.
        // Five bits to a byte, then all six characters at once.
        var digits = random & 0x7FFF | (random & 0x3FFF_8000) << 9
        digits =
            digits & 0x1F00_001F | (digits & 0x03_E000_03E0) << 3
            | (digits & 0x7C_0000_7C00) << 6
        /// Ones in the bytes that are `bound` or more; no sum reaches the next byte.
        func reached(_ bound: UInt64) -> UInt64 {
            (digits &+ (0x80 &- bound) &* 0x0101_0101_0101) >> 7 & 0x0101_0101_0101
        }
        let skipped = reached(18) &+ reached(20) &+ reached(22) &+ reached(27)
        return digits &+ 0x3030_3030_3030 &+ reached(10) &* 0x27 &+ skipped
    }

    /// Appends `<id>-<suffix>`: what vLLM takes as the engine's id (`chatcmpl-<id>`); takes room for a
    /// byte more.
    @inline(__always)
    static func append(_ id: Span<UInt8>, suffix: UInt64, to room: inout RoomWriter) {
        room.append(id)
        room.append(packed: suffix << 8 | 0x2D, count: 7)
    }
}
