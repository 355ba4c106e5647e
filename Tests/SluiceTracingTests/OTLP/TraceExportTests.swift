import Testing

@testable import SluiceTracing

@Suite struct TraceExportTests {
    /// What the classes of the Python package `opentelemetry-proto` 1.45 write of the same spans.
    private static let reference =
        "0aea030a1b0a190a0c736572766963652e6e616d6512090a076772c3bcc39f6512ca030a0d0a0673"
        + "6c756963651203392e3912ef020a104bf92f3577b34da6a3ce929d0e0e4736120800f067aa0ba902"
        + "b722080123456789abcdef2a09636861742074696e7930023915cd853dfe9c97174100cac471fe9c"
        + "97174ad1010a016112cb010ac8017878787878787878787878787878787878787878787878787878"
        + "78787878787878787878787878787878787878787878787878787878787878787878787878787878"
        + "78787878787878787878787878787878787878787878787878787878787878787878787878787878"
        + "78787878787878787878787878787878787878787878787878787878787878787878787878787878"
        + "78787878787878787878787878787878787878787878787878787878787878787878787878787878"
        + "78787878787878787878787878784a100a016e120b18fdffffffffffffffff014a0e0a0166120921"
        + "000000000000d03f4a070a0162120210014a070a017a120218005a16090065f753fe9c9717120b66"
        + "697273745f746f6b656e7a02180285010103000012470a104bf92f3577b34da6a3ce929d0e0e4736"
        + "12080000000000000001220800f067aa0ba902b72a05717565756530013901000000000000004101"
        + "00000000000000850101010000"

    private static func spans() throws -> [TraceSpan] {
        let trace = try #require(TraceID(high: 0x4BF9_2F35_77B3_4DA6, low: 0xA3CE_929D_0E0E_4736))
        let id = try #require(SpanID(0x00F0_67AA_0BA9_02B7))
        var whole = TraceSpan(
            trace: trace, id: id, parent: SpanID(0x0123_4567_89AB_CDEF), name: "chat tiny",
            kind: .server, start: 1_700_000_000_123_456_789, end: 1_700_000_001_000_000_000)
        whole.isParentRemote = true
        whole.attributes = [
            Attribute("a", .text(String(repeating: "x", count: 200))),
            Attribute("n", .integer(-3)), Attribute("f", .number(0.25)),
            Attribute("b", .boolean(true)), Attribute("z", .integer(0)),
        ]
        whole.events = [TraceSpan.Event("first_token", at: 1_700_000_000_500_000_000)]
        whole.isError = true
        let first = try #require(SpanID(1))
        let part = TraceSpan(
            trace: trace, id: first, parent: id, name: "queue", kind: .internal, start: 1, end: 0)
        return [whole, part]
    }

    @Test func `a request is byte for byte what others write`() throws {
        let resource = TraceExport.Resource(
            [Attribute("service.name", .text("grüße"))], version: "9.9")
        let bytes = TraceExport.request(try Self.spans(), from: resource)
        let digits = bytes.map { byte in
            let text = String(byte, radix: 16)
            return text.count == 1 ? "0" + text : text
        }
        #expect(digits.joined() == Self.reference)
    }

    private func bytes(_ digits: String) -> [UInt8] {
        let digits = Array(digits)
        return stride(from: 0, to: digits.count, by: 2).compactMap {
            UInt8(String(digits[$0...$0 + 1]), radix: 16)
        }
    }

    @Test(arguments: [
        ("", 0), ("0a0808ac021203776879", 300), ("0a050805120" + "16e", 5), ("0a00", 0),
        // Fields that later versions may have, before and after.
        ("1001" + "0a0608ac02" + "1001" + "18" + "01", 300),
        ("1d01020304" + "0a020807" + "2100000000000000ff", 7),
        // Malformed: a length beyond the end, a varint without one, a group.
        ("0a0a0805", 0), ("0aff", 0), ("0a0308ffffffffffffffffffffffff", 0), ("0b", 0),
        ("ffffffffffffffffffffff01", 0),
        // Negative.
        ("0a0b08ffffffffffffffffff01", 0),
    ])
    func `the answer tells how many spans were rejected`(digits: String, count: Int) {
        #expect(TraceExport.rejectedSpans(in: bytes(digits)) == count)
    }

    @Test func `an answer cut anywhere traps nobody`() {
        let whole = bytes("0a0808ac021203776879")
        for end in 0...whole.count {
            let found = TraceExport.rejectedSpans(in: Array(whole.prefix(end)))
            #expect(found == 0 || found == 300)
        }
    }
}
