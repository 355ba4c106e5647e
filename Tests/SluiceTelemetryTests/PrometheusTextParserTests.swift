import FixtureTestSupport
import SluiceBytes
import SluiceTelemetry
import Testing

@Suite struct PrometheusTextParserTests {
    struct Row: Equatable {
        var name: String
        var labels: String
        var value: Double
    }

    static func parse(_ page: [UInt8], cutEvery size: Int, prefix: StaticString = "")
        -> (rows: [Row], bad: Int, long: Int)
    {
        var parser = PrometheusTextParser()
        var rows: [Row] = []
        func wants(_ line: Span<UInt8>, _ name: Range<Int>) -> Bool {
            line.hasBytes(prefix, at: name.lowerBound)
        }
        var start = 0
        while start < page.count {
            let end = min(page.count, start + size)
            parser.feed(page.span.extracting(start..<end), wants: wants) { sample in
                rows.append(
                    Row(
                        name: sample.line.text(in: sample.name),
                        labels: sample.line.text(in: sample.labels), value: sample.value))
            }
            start = end
        }
        parser.finish(wants: wants) { sample in
            rows.append(
                Row(
                    name: sample.line.text(in: sample.name),
                    labels: sample.line.text(in: sample.labels), value: sample.value))
        }
        return (rows, parser.badLines, parser.longLines)
    }

    static func one(_ line: String) -> Row? { parse(Array(line.utf8), cutEvery: 1_000).rows.first }

    @Test(arguments: ["metrics-fresh.txt", "metrics-idle.txt", "metrics-loaded.txt"])
    func `every sample of a real page is read, however it is cut`(name: String) throws {
        let page = try fixture(name)
        let whole = Self.parse(page, cutEvery: page.count)
        let lines = String(decoding: page, as: UTF8.self).split(separator: "\n")
        let expected = lines.filter { !$0.hasPrefix("#") }
        #expect(whole.rows.count == expected.count)
        #expect(whole.bad == 0)
        for (row, line) in zip(whole.rows, expected) {
            let text = line.split(separator: " ").last.map(String.init) ?? ""
            #expect(row.value == Double(text) || (row.value.isNaN && text == "NaN"), "\(line)")
        }
        for size in [1, 2, 3, 7, 64, 100, 1_460, 4_096, 16_384] {
            let cut = Self.parse(page, cutEvery: size, prefix: "vllm:num_requests")
            let wanted = whole.rows.filter { $0.name.hasPrefix("vllm:num_requests") }
            #expect(cut.rows == wanted)
            #expect(cut.bad == 0)
        }
    }

    @Test func `what the gateway needs is found by name and label`() throws {
        let page = try fixture("metrics-loaded.txt")
        var parser = PrometheusTextParser()
        var running: Double?
        var model = ""
        parser.feed(page.span, wants: { $0.equals("vllm:num_requests_running", in: $1) }) {
            sample in
            if sample.isNamed("vllm:num_requests_running") { running = sample.value }
            model = sample.text("model_name")?.text ?? "?"
        }
        #expect(running != nil)
        #expect(model == "tiny")
        let samples = parser.samples
        #expect(samples == 1)
    }

    @Test(arguments: [
        ("a 1", 1.0), ("a{} 2", 2), ("a{b=\"c\"} 3.25 1700000000", 3.25), ("a\t-4", -4),
        ("a{b=\"}\",c=\"\\\"\"} 5 # {trace_id=\"x\"} 1", 5), ("a{b=\"c\",} 6\r", 6), ("  a 7", 7),
        ("a 1e308", 1e308), ("a 1e999", .infinity), ("a +Inf", .infinity), ("a -Inf", -.infinity),
        ("a 12345678901234567890", 12_345_678_901_234_567_168),
        ("a 1.79522685631e+09", 1_795_226_856.31),
        ("a 0.1", 0.1), ("a .5", 0.5), ("a 5.", 5), ("a -0", 0), ("a 1e-400", 0),
    ])
    func `numbers and spacing of all kinds`(line: String, value: Double) {
        #expect(Self.one(line)?.value == value)
        #expect(Self.one(line)?.name == "a")
    }

    @Test func `not a number is a value`() {
        #expect(Self.one("a NaN")?.value.isNaN == true)
        #expect(Self.one("a nan")?.value.isNaN == true)
    }

    @Test(arguments: [
        "a", "a ", "a{", "a{b", "a{b=", "a{b=\"", "a{b=\"c", "a{b=\"c\"", "a{b=\"c\\", "a{b=\"c\"}",
        "a{b=\"c\"} ", "a{b=\"c\"} x", "a{b='c'} 1", "a{=\"c\"} 1", "{} 1", "{\"a\"} 1", "a 1x",
        "a 0x10", "a --1", "a 1-", "a .", "a e", "a infinite", "a nan(0x1)", "\u{0}\u{1} 1", "é 1",
        "a\"b 1",
        "a 11111111111111111111111111111111111111111111111111111111111111111",
    ])
    func `garbage is counted and left out`(line: String) {
        let result = Self.parse(Array("x 1\n\(line)\ny 2\n".utf8), cutEvery: 1_000)
        #expect(result.rows.map(\.name) == ["x", "y"])
        #expect(result.bad == 1)
        let cut = Self.parse(Array("x 1\n\(line)\ny 2\n".utf8), cutEvery: 1)
        #expect(cut.rows == result.rows)
    }

    @Test func `random bytes neither stop it nor hide what follows`() {
        var state: UInt64 = 99
        for _ in 0..<300 {
            var page: [UInt8] = []
            for _ in 0..<200 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let symbols = Array("a{}=\"\\,# \n\t1e.-+N\u{7F}".utf8)
                page.append(symbols[Int(state >> 40) % symbols.count])
            }
            page += Array("\nlast 5\n".utf8)
            let whole = Self.parse(page, cutEvery: 500)
            let cut = Self.parse(page, cutEvery: 3)
            #expect(whole.rows.last == Row(name: "last", labels: "", value: 5))
            #expect(cut.rows.map(\.name) == whole.rows.map(\.name))
            #expect(cut.bad == whole.bad)
        }
    }

    @Test(arguments: [1_000, 65_537, 1_000_000])
    func `a line over the limit is skipped in bounded memory, one at the limit is read`(size: Int) {
        let most = PrometheusTextParser.lineBytesMax
        let fits = Array("a{b=\"\(String(repeating: "x", count: most - 9))\"} 1".utf8)
        #expect(fits.count == most)
        let over = Array("a{b=\"\(String(repeating: "x", count: most - 8))\"} 1".utf8)
        let end = Array("\nz 2\n".utf8)
        let read = Self.parse(fits + end, cutEvery: size)
        #expect(read.rows.map(\.value) == [1, 2])
        let skipped = Self.parse(over + end, cutEvery: size)
        #expect(skipped.rows.map(\.value) == [2])
        #expect(skipped.long == 1)
    }

    @Test func `labels are found by whole name and unescaped`() {
        var parser = PrometheusTextParser()
        var texts: [String?] = []
        var bound: Double?
        let line = Array("a{le=\"0.25\",model_name=\"a\\\"b\\\\c\\nd\",name=\"x\"} 1\n".utf8)
        parser.feed(line.span, wants: { _, _ in true }) { sample in
            texts = [
                sample.text("model_name")?.text, sample.text("name")?.text,
                sample.text("nam")?.text,
            ]
            bound = sample.number("le")
        }
        #expect(texts == ["a\"b\\c\nd", "x", nil])
        #expect(bound == 0.25)
    }
}
