import Foundation
import SluiceBytes
import SluiceTelemetry
import SluiceTime
import Testing

@Suite struct AccessLogFormatterTests {
    static let fields = [
        "v", "time", "request_id", "upstream_request_ids", "trace_id", "client", "method", "path",
        "model_name", "tenant", "class", "stream", "status", "outcome", "reason", "phase",
        "replica", "replicas_tried", "bytes_in", "bytes_out", "receive_ms", "queue_ms",
        "connect_ms", "engine_ms", "ttft_ms", "duration_ms", "predicted_wait_ms", "prompt_tokens",
        "generation_tokens", "events", "blocked_ms", "retries",
    ]

    static func line(_ record: ExchangeRecord, _ names: NameTables = MetricShardTests.names())
        -> String
    {
        var buffer = ByteBuffer()
        var formatter = AccessLogFormatter(names)
        var record = record
        formatter.append(&record, into: &buffer)
        return buffer.text()
    }

    static func object(_ line: String) throws -> [String: Any] {
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
        return try #require(object as? [String: Any])
    }

    static func served() -> ExchangeRecord {
        var record = servedAtOnce()
        record.retries = 1
        record.attempted(replica: 1, suffix: 0x3736_3534_3332)
        return record
    }

    static func servedAtOnce() -> ExchangeRecord {
        var record = MetricShardTests.stream()
        record.startedUnixNanoseconds = 1_795_236_856_007_900_000
        record.admitted = Instant(nanoseconds: 3_250_000)
        record.sent = Instant(nanoseconds: 4_000_000)
        record.firstContentArrived = Instant(nanoseconds: 54_000_000)
        record.firstContentWritten = Instant(nanoseconds: 54_100_000)
        record.ended = Instant(nanoseconds: 155_000_000)
        record.outcome = .ok
        record.status = 200
        record.phase = .relaying
        record.bytesIn = 400
        record.bytesOut = 12_000
        record.promptTokens = 7
        record.generationTokens = 100
        record.contentEvents = 99
        record.requestID = InlineText("0190a0b0-c0d0-7000-8000-00000000abcd")
        record.client = InlineText("192.0.2.7")
        record.path = InlineText("/v1/chat/completions")
        record.attempted(replica: 0, suffix: 0x6665_6463_6261)
        return record
    }

    @Test func `a line has the fields of schema 1 in order`() throws {
        var record = Self.served()
        record.traceID = InlineText("0af7651916cd43dd8448eb211c80319c")
        record.tenantIndex = 0
        record.reason = .reset
        record.predictedWait = .milliseconds(3)
        record.blocked = .milliseconds(4)
        let line = Self.line(record)
        #expect(line.hasSuffix("}\n"))
        var position = line.startIndex
        for field in Self.fields {
            let range = line.range(of: "\"\(field)\":", range: position..<line.endIndex)
            position = try #require(range, "\(field) missing or out of order").upperBound
        }
        #expect(try Self.object(line).count == Self.fields.count)
    }

    @Test func `a line is the same whatever line came before it`() {
        typealias Change = (inout ExchangeRecord) -> Void
        let changes: [Change] = [
            { _ in }, { $0.method = .get }, { $0.path = InlineText("/v1/chat/completion") },
            { $0.path = InlineText("/v1/chat/completiont") }, { $0.path = InlineText("") },
            { $0.path = InlineText(String(repeating: "\u{1}", count: 96)) },
            { $0.modelIndex = 1 }, { $0.tenantIndex = 0 }, { $0.classIndex = 1 },
            { $0.status = 201 }, { $0.outcome = .truncated }, { $0.reason = .reset },
            { $0.phase = .queued }, { $0.isStream.toggle() }, { $0.client = InlineText("::1") },
            { $0.client = InlineText("192.0.2.8") }, { $0.client = InlineText("\"") },
            { $0.replicaIndex = 1 }, { $0.replicaIndex = -1 }, { $0 = Self.served() },
            { $0.attempted(replica: 0, suffix: 0x3736_3534_3332) },
            { $0.traceID = InlineText("0af7651916cd43dd8448eb211c80319c") },
            { $0.requestID = InlineText("\n") }, { $0.requestID = InlineText("b") },
            { $0.startedUnixNanoseconds = 0 }, { $0.bytesIn = .max },
            { $0 = ExchangeRecord() },
        ]
        var formatter = AccessLogFormatter(MetricShardTests.names())
        for first in changes {
            for second in changes {
                for change in [first, second] {
                    var record = Self.servedAtOnce()
                    change(&record)
                    var buffer = ByteBuffer()
                    formatter.append(&record, into: &buffer)
                    #expect(buffer.text() == Self.line(record))
                }
            }
        }
    }

    @Test func `a served stream`() {
        #expect(
            Self.line(Self.served()) == """
                {"v":1,"time":"2026-11-21T04:54:16.007Z",\
                "request_id":"0190a0b0-c0d0-7000-8000-00000000abcd","upstream_request_ids":[\
                "0190a0b0-c0d0-7000-8000-00000000abcd-abcdef",\
                "0190a0b0-c0d0-7000-8000-00000000abcd-234567"],\
                "client":"192.0.2.7","method":"POST","path":"/v1/chat/completions",\
                "model_name":"llama","class":"default","stream":true,"status":200,\
                "outcome":"ok","phase":"relaying","replica":"b:8000",\
                "replicas_tried":["a:8000","b:8000"],"bytes_in":400,"bytes_out":12000,\
                "receive_ms":1.000,"queue_ms":1.250,"connect_ms":0.750,"engine_ms":50.000,\
                "ttft_ms":52.100,"duration_ms":153.000,"prompt_tokens":7,\
                "generation_tokens":100,"events":99,"retries":1}

                """)
    }

    @Test func `a time below a microsecond is a bare zero`() {
        var record = Self.served()
        record.admitted = Instant(nanoseconds: record.received.nanoseconds + 999)
        record.sent = Instant(nanoseconds: record.admitted.nanoseconds + 1_000)
        #expect(Self.line(record).contains(#","queue_ms":0,"connect_ms":0.001,"engine_ms":"#))
    }

    @Test func `the list of tried replicas is there where there is more than one`() throws {
        var record = ExchangeRecord()
        record.attempted(replica: 1, suffix: 0x6665_6463_6261)
        var object = try Self.object(Self.line(record))
        #expect(object["replica"] as? String == "b:8000" && object["replicas_tried"] == nil)
        #expect(object["upstream_request_ids"] as? [String] == ["-abcdef"])
        record.attempted(replica: 0, suffix: 0x6665_6463_6261)
        object = try Self.object(Self.line(record))
        #expect(object["replicas_tried"] as? [String] == ["b:8000", "a:8000"])
    }

    @Test func `an empty record is still one line of JSON`() throws {
        let object = try Self.object(Self.line(ExchangeRecord(), NameTables()))
        #expect(
            Set(object.keys) == [
                "v", "time", "request_id", "client", "method", "path", "model_name", "class",
                "stream", "status", "outcome", "phase", "bytes_in", "bytes_out",
            ])
        #expect(object["time"] as? String == "1970-01-01T00:00:00.000Z")
        #expect(object["model_name"] as? String == "other")
    }

    @Test func `no byte of a peer can forge a line or leave its string`() throws {
        for byte in UInt8.min...UInt8.max {
            var record = Self.served()
            let text: [UInt8] = [0x61, byte, 0x22, 0x0A, byte, 0x62]
            record.path = InlineText()
            record.path.append(text.span)
            record.requestID = InlineText()
            record.requestID.append(text.span)
            record.traceID.append(byte)
            record.client.append(text.span)
            record.attempted(replica: 0, suffix: UInt64(byte) &* 0x0101_0101_0101)
            let line = Self.line(record)
            #expect(line.utf8.dropLast().allSatisfy { $0 >= 0x20 && $0 < 0x7F })
            let path = try Self.object(line)["path"] as? String
            let expected = String(String.UnicodeScalarView(text.map { Unicode.Scalar($0) }))
            #expect(path?.unicodeScalars.elementsEqual(expected.unicodeScalars) == true)
        }
    }

    @Test func `escaping sees an odd byte at every place of a text`() {
        for byte in UInt8.min...UInt8.max {
            for place in 0..<19 {
                var text = [UInt8](repeating: 0x7E, count: 19)
                text[place] = byte
                var buffer = ByteBuffer()
                AccessLogFormatter.appendEscaped(text.span, into: &buffer)
                let isPlain = (0x20..<0x7F).contains(byte) && byte != 0x22 && byte != 0x5C
                let isCopy = buffer.array() == text
                #expect(isCopy == isPlain)
            }
        }
    }

    @Test func `hostile names from discovery are harmless`() throws {
        var names = NameTables()
        let name = "m\"\\\n\u{1B}[2J\u{9B}\u{2028}é"
        #expect(names.models.intern(name) == 0)
        var record = Self.served()
        record.modelIndex = 0
        let line = Self.line(record, names)
        #expect(try Self.object(line)["model_name"] as? String == name)
        #expect(!line.unicodeScalars.dropLast().contains { $0.value < 0x20 || $0.value == 0x9B })
        names.pools = [String(repeating: "p", count: 10_000)]
        names.classes = [String(repeating: "c", count: 10_000)]
        #expect(Self.line(record, names).utf8.count < AccessLogFormatter.lineBytesMax)
    }

    @Test func `lines have a bound`() {
        var record = Self.served()
        let zeros = [UInt8](repeating: 0, count: 200)
        record.requestID = InlineText()
        record.requestID.append(zeros.span)
        record.path.append(zeros.span)
        record.client.append(zeros.span)
        record.traceID.append(zeros.span)
        for _ in 0..<4 { record.attempted(replica: 0, suffix: 0) }
        record.bytesIn = .max
        record.bytesOut = .max
        #expect(Self.line(record).utf8.count < AccessLogFormatter.lineBytesMax)
    }

    @Test(arguments: [
        (Int64(0), "1970-01-01T00:00:00.000Z"), (-5, "1970-01-01T00:00:00.000Z"),
        (951_782_400_000_000_000, "2000-02-29T00:00:00.000Z"),
        (1_709_251_199_999_999_999, "2024-02-29T23:59:59.999Z"),
        (4_102_444_800_000_000_000, "2100-01-01T00:00:00.000Z"),
        (.max, "2262-04-11T23:47:16.854Z"),
    ])
    func `times are RFC 3339 in UTC`(nanoseconds: Int64, text: String) throws {
        var record = Self.served()
        record.startedUnixNanoseconds = nanoseconds
        #expect(try Self.object(Self.line(record))["time"] as? String == text)
    }
}
