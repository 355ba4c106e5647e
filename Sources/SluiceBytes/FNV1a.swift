/// FNV-1a of 64 bits: for tables and choices where nobody gains by a collision; never for secrets.
///
/// The same on every machine and in every process: gateways that hash a name alike choose alike.
/// Source: draft-eastlake-fnv, appendix C.
@usableFromInline package struct FNV1a: Sendable {
    /// Of the bytes so far.
    @usableFromInline package var value: UInt64 = 0xCBF2_9CE4_8422_2325

    /// Of no bytes.
    @inlinable package init() {}

    /// Of these bytes.
    @inlinable package init(_ bytes: Span<UInt8>) {
        for index in 0..<bytes.count { add(bytes[index]) }
    }

    /// Of a text's UTF-8.
    @inlinable package init(_ text: String) {
        for byte in text.utf8 { add(byte) }
    }

    /// Goes on with one byte.
    @inlinable package mutating func add(_ byte: UInt8) {
        value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01B3
    }
}
