import SluiceBytes
import SluiceTelemetry
import Testing

@testable import SluiceTracing

/// W3C Trace Context, level 1, §3.2.
@Suite struct TraceContextTests {
    private static let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    private static let span = "00f067aa0ba902b7"
    private static let good = "00-\(trace)-\(span)-01"

    private func context(_ text: String) -> TraceContext? { TraceContext(Array(text.utf8).span) }

    @Test func `version 00 is taken apart`() throws {
        let found = try #require(context(Self.good))
        #expect(found.trace == TraceID(high: 0x4BF9_2F35_77B3_4DA6, low: 0xA3CE_929D_0E0E_4736))
        #expect(found.span == SpanID(0x00F0_67AA_0BA9_02B7))
        #expect(found.isSampled)
        #expect(context("00-\(Self.trace)-\(Self.span)-00")?.isSampled == false)
    }

    @Test(arguments: [
        ("00", false), ("01", true), ("02", false), ("03", true), ("fe", false), ("ff", true),
    ])
    func `of the flags only sampled is known`(flags: String, isSampled: Bool) {
        #expect(context("00-\(Self.trace)-\(Self.span)-\(flags)")?.isSampled == isSampled)
    }

    @Test func `a later version is read as far as it is known`() {
        for version in ["01", "cc", "fe"] {
            let known = "\(version)-\(Self.trace)-\(Self.span)-01"
            #expect(context(known)?.isSampled == true)
            #expect(context(known + "-what-the-future-brings")?.isSampled == true)
            #expect(context(known + "-") != nil)
            // What follows has to begin with a hyphen.
            #expect(context(known + "x") == nil)
            #expect(context(known + ".") == nil)
        }
    }

    @Test(arguments: [
        "", "00", "-", good + "-", good + "-00", good + "0", String(good.dropLast()),
        "ff-\(trace)-\(span)-01", "0-\(trace)-\(span)-01", "000-\(trace)-\(span)-01",
        "0x-\(trace)-\(span)-01", "0A-\(trace)-\(span)-01",
        // Ids of zeros, in capitals, too short or long, or no digits.
        "00-00000000000000000000000000000000-\(span)-01", "00-\(trace)-0000000000000000-01",
        "00-\(trace.uppercased())-\(span)-01", "00-\(trace)-\(span.uppercased())-01",
        "00-\(trace.dropLast())-\(span)-01", "00-\(trace)0-\(span)-01",
        "00-\(trace)-\(span.dropLast())-01", "00-\(trace)-\(span)0-01",
        "00-\(trace.dropLast())g-\(span)-01", "00-\(trace)-\(span.dropLast())g-01",
        "00-\(trace)-\(span)-0", "00-\(trace)-\(span)-0g", "00-\(trace)-\(span)-0F",
        // Anything else between them.
        "00_\(trace)-\(span)-01", "00-\(trace)_\(span)-01", "00-\(trace)-\(span)_01",
        " \(good)", "\(good),\(good)",
    ])
    func `what is malformed is as good as none`(text: String) {
        #expect(context(text) == nil)
        var id = InlineText<32>("before")
        TraceContext.readID(Array(text.utf8).span, into: &id)
        #expect(id.text == "before")
    }

    @Test func `every byte of it counts`() {
        let bytes = Array(Self.good.utf8)
        for index in bytes.indices {
            for byte in [UInt8(0), 0x20, 0x2F, 0x3A, 0x40, 0x47, 0x60, 0x67, 0x80, 0xFF] {
                var changed = bytes
                changed[index] = byte
                #expect(TraceContext(changed.span) == nil, "\(index) \(byte)")
            }
        }
    }

    @Test func `the trace id is taken over as it stands`() {
        var id = InlineText<32>()
        TraceContext.readID(Array(Self.good.utf8).span, into: &id)
        #expect(id.text == Self.trace)
        var written = InlineText<32>("old")
        context(Self.good)?.trace.write(to: &written)
        #expect(written.text == Self.trace)
    }

    @Test func `the line that is sent on names another span for each attempt`() throws {
        var buffer = ByteBuffer()
        buffer.append("a: b\r\n")
        let context = try #require(self.context(Self.good))
        context.appendField(to: &buffer)
        #expect(buffer.text() == "a: b\r\ntraceparent: \(Self.good)\r\n")
        let end = buffer.count
        buffer.append("{body}")
        let next = try #require(SpanID(0x0123_4567_89AB_CDEF))
        TraceContext.replaceSpan(next, inFieldEndingAt: end, of: &buffer)
        #expect(
            buffer.text()
                == "a: b\r\ntraceparent: 00-\(Self.trace)-0123456789abcdef-01\r\n{body}")
        var other = ByteBuffer()
        TraceContext(trace: context.trace, span: context.span, isSampled: false)
            .appendField(to: &other)
        #expect(other.text() == "traceparent: 00-\(Self.trace)-\(Self.span)-00\r\n")
    }
}
