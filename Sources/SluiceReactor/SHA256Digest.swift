import COpenSSL

/// The SHA-256 of some bytes. Source: FIPS 180-4.
package struct SHA256Digest: Hashable, Sendable {
    // Big-endian words: what equality and hashing of an `InlineArray` would have to be written for.
    private let a, b, c, d: UInt64

    /// Computes the digest, about a microsecond for a short key; nil when OpenSSL refuses.
    package init?(of bytes: Span<UInt8>) {
        var digest = InlineArray<32, UInt8>(repeating: 0)
        var out = digest.mutableSpan
        // Safety: the span is alive for the call, and the shim writes 32 bytes into an array of 32.
        let isDone = unsafe bytes.withUnsafeBufferPointer { input in
            unsafe out.withUnsafeMutableBufferPointer { output in
                unsafe sluice_sha256(input.baseAddress, input.count, output.baseAddress)
            }
        }
        guard isDone == 1 else { return nil }
        self.init(digest)
    }

    /// Reads 64 hexadecimal digits; nil for anything else.
    package init?(hexadecimal text: String) {
        let digits = Array(text.utf8)
        guard digits.count == 64 else { return nil }
        var digest = InlineArray<32, UInt8>(repeating: 0)
        for (index, digit) in digits.enumerated() {
            let value: UInt8
            switch digit {
            case 0x30...0x39: value = digit - 0x30
            case 0x61...0x66: value = digit - 0x61 + 10
            case 0x41...0x46: value = digit - 0x41 + 10
            default: return nil
            }
            digest[index / 2] = digest[index / 2] << 4 | value
        }
        self.init(digest)
    }

    private init(_ digest: InlineArray<32, UInt8>) {
        var words = InlineArray<4, UInt64>(repeating: 0)
        for index in 0..<32 { words[index / 8] = words[index / 8] << 8 | UInt64(digest[index]) }
        (a, b, c, d) = (words[0], words[1], words[2], words[3])
    }
}
