import SluiceBytes
import Testing

@Suite struct FNV1aTests {
    /// Source: the test vectors of the reference implementation (isthe.com/chongo/src/fnv).
    @Test(
        arguments: [
            ("", 0xCBF2_9CE4_8422_2325), ("a", 0xAF63_DC4C_8601_EC8C),
            ("foobar", 0x8594_4171_F739_67E8),
        ] as [(String, UInt64)])
    func `the hash is the reference's, of text, of bytes and byte by byte`(
        text: String, hash: UInt64
    ) {
        let bytes = Array(text.utf8)
        #expect(FNV1a(text).value == hash)
        let whole = FNV1a(bytes.span).value
        #expect(whole == hash)
        var parts = FNV1a()
        for byte in bytes { parts.add(byte) }
        #expect(parts.value == hash)
    }
}
