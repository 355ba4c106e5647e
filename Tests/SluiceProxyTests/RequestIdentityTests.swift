import SluiceExchange
import Testing

@Suite struct RequestIdentityTests {
    @Test func `a suffix is six characters of base 32, each five bits of the number`() {
        let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
        for place in 0..<6 {
            for index in 0..<32 {
                let random =
                    UInt64.random(in: .min ... .max) & ~(31 << (5 * place))
                    | UInt64(index) << (5 * place)
                let suffix = RequestIdentity.attemptSuffix(random: random)
                let expected = (0..<6).map { alphabet[Int(random >> (5 * $0) & 31)] }
                let found = (0..<6).map { UInt8(truncatingIfNeeded: suffix >> (8 * $0)) }
                #expect(found == expected)
                #expect(suffix >> 48 == 0)
            }
        }
    }
}
