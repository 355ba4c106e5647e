import SluiceBytes
import Testing

@Suite struct HexTextTests {
    private func text(_ word: UInt64) -> String {
        let digits = HexText.eightDigits(word)
        return String(
            decoding: (0..<8).map { UInt8(truncatingIfNeeded: digits >> UInt64(8 * $0)) },
            as: UTF8.self)
    }

    @Test(arguments: [
        (0, "00000000"), (0x1, "00000001"), (0xDEAD_BEEF, "deadbeef"), (0x0123_4567, "01234567"),
        (0x89AB_CDEF, "89abcdef"), (0xFFFF_FFFF, "ffffffff"), (0x7_0000_0009, "00000009"),
    ])
    func `eight digits of the low half`(word: UInt64, digits: String) {
        #expect(text(word) == digits)
    }

    @Test func `each nibble in each place`() {
        for place in 0..<8 {
            for nibble in UInt64(0)..<16 {
                let word = nibble << UInt64(4 * place)
                let plain = String(word, radix: 16)
                let expected = String(repeating: "0", count: 8 - plain.count) + plain
                #expect(text(word) == expected)
            }
        }
    }

    @Test func `digits are read back, and nothing but lower-case ones`() {
        func number(_ text: String) -> UInt64? { HexText.number(Array(text.utf8).span) }
        #expect(number("00f067aa0ba902b7") == 0x00F0_67AA_0BA9_02B7)
        #expect(number("ffffffffffffffff") == .max)
        #expect(number("") == 0)
        for bad in ["A", "g", "/", ":", "`", " ", "é", "0x1", "00f067aa0ba902b70"] {
            #expect(number(bad) == nil, "\(bad)")
        }
    }
}
