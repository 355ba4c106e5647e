import SluiceBytes
import SluiceTelemetry
import SluiceTime
import Testing

@testable import SluiceSimulation

/// What the gateway wrote down is what is replayed.
@Suite struct ArrivalTraceTests {
    private static let head = "\(ArrivalTrace.header)\n\(ArrivalTrace.fields)\n"

    private static func record(_ at: Int64, _ change: (inout ExchangeRecord) -> Void) -> String {
        var record = ExchangeRecord()
        record.route = .chatCompletions
        record.poolIndex = 0
        record.outcome = .ok
        record.isStream = true
        record.started = Instant(nanoseconds: 1_000_000_000 + at * 1_000_000)
        record.received = record.started
        record.promptTokens = 400
        record.generationTokens = 90
        change(&record)
        var names = NameTables()
        names.classes = ["critical", "standard"]
        var line = ByteBuffer()
        ArrivalTraceFormatter(names, start: Instant(nanoseconds: 1_000_000_000))
            .append(&record, into: &line)
        return line.text()
    }

    @Test func `what the gateway writes is what the simulator reads`() throws {
        let text =
            "\(ArrivalTraceFormatter.head)"
            + Self.record(2_500) { $0.classIndex = 1 }
            + Self.record(500) {
                $0.outcome = .shed
                $0.promptTokens = -1
                $0.promptTokensEstimated = 700
                $0.generationTokens = -1
                $0.tokensMax = 64
                $0.tenantIndex = 3
            }
            + Self.record(4_000) {
                $0.isStream = false
                $0.generationTokens = 12
            }
        let trace = try ArrivalTrace(text: text)
        #expect(
            trace.arrivals == [
                TracedArrival(
                    offset: .zero, className: "critical", tenant: 3, answers: .stream,
                    lengths: RecordedLengths(promptTokens: 700, outputTokens: nil, outputMax: 64)),
                TracedArrival(
                    offset: .seconds(2), className: "standard", tenant: -1, answers: .stream,
                    lengths: RecordedLengths(promptTokens: 400, outputTokens: 90, outputMax: nil)),
                TracedArrival(
                    offset: .milliseconds(3_500), className: "critical", tenant: -1,
                    answers: .whole,
                    lengths: RecordedLengths(promptTokens: 400, outputTokens: 12, outputMax: nil)),
            ])
        #expect(trace.span == .milliseconds(3_500))
        #expect(!trace.isCut)
    }

    @Test func `the writer's head is the reader's`() {
        #expect("\(ArrivalTraceFormatter.head)" == Self.head)
    }

    @Test func `sections follow each other, and an end is noticed`() throws {
        let line = "1000,completions,standard,0,10,-1,1,ok,5\n"
        let later = "3000,completions,standard,0,10,-1,1,ok,5\n"
        let trace = try ArrivalTrace(
            text: Self.head + line + later + Self.head + line + "# end: the file is at its bound\n")
        #expect(trace.arrivals.map(\.offset) == [.zero, .seconds(2), .seconds(3)])
        #expect(trace.isCut)
    }

    @Test func `what no replica saw is left out and counted`() throws {
        let trace = try ArrivalTrace(
            text: Self.head + "1,embeddings,a,0,10,-1,0,ok,0\n"
                + "2,completions,a,0,-1,-1,1,client_error,-1\n" + "3,tokenize,a,0,9,-1,0,ok,-1\n"
                + "4,completions,a,0,10,-1,1,client_gone,3\n")
        #expect(trace.skipped == 2)
        #expect(trace.arrivals.map(\.answers) == [.embedding, .stream])
        // How long the answer of who left would have been, nobody knows.
        #expect(trace.arrivals[1].lengths.outputTokens == nil)
    }

    @Test(arguments: [
        "", "a,b\n", head, head + "1,completions,a,0,1,-1,1,ok,1\n",
        "1,completions,a,0,1,-1,1,ok,1\n",
    ])
    func `what is no recording is refused`(text: String) {
        #expect(throws: ArrivalTraceError.self) { try ArrivalTrace(text: text) }
    }

    @Test(arguments: [
        "x,completions,a,0,1,-1,1,ok,1", "-1,completions,a,0,1,-1,1,ok,1",
        "1e99,completions,a,0,1,-1,1,ok,1", "nan,completions,a,0,1,-1,1,ok,1",
        "1,completions,a,0,1,-1,2,ok,1", "1,completions,a,0,1,-1,1,ok",
        "1,completions,a,0,99999999999,-1,1,ok,1", "1,completions,a,-2,1,-1,1,ok,1",
    ])
    func `a wrong line is named by its number`(line: String) {
        let error = #expect(throws: ArrivalTraceError.self) {
            try ArrivalTrace(text: Self.head + line + "\n")
        }
        #expect(error?.line == 3)
    }

    @Test func `a file cut anywhere is read or refused, never fatal`() throws {
        let text =
            Self.head + "1000,completions,a,0,10,-1,1,ok,5\n"
            + "2000,embeddings,b,1,10,7,0,shed,-1\n"
            + "3000,chat_completions,a,0,10,-1,1,ok,55\n"
        for end in text.indices { _ = try? ArrivalTrace(text: String(text[..<end])) }
    }

    @Test func `streams hold every request in its order`() throws {
        let trace = try ArrivalTrace(
            text: Self.head + "0,completions,a,0,10,-1,1,ok,5\n"
                + "10,completions,b,0,20,-1,1,ok,6\n"
                + "20,completions,a,7,30,-1,1,ok,7\n")
        let outputs = Study.outputs
        let streams = try trace.streams(outputs: outputs, tenants: 1) { $0 == "a" ? 0 : 1 }
        #expect(streams.map(\.classIndex) == [0, 1])
        #expect(streams[0].arrivals == .recorded([.zero, .milliseconds(20)]))
        #expect(streams[0].recorded.map(\.promptTokens) == [10, 30])
        let unknown = #expect(throws: ArrivalTraceError.self) {
            try trace.streams(outputs: outputs, tenants: 1) { $0 == "a" ? 0 : nil }
        }
        #expect(unknown?.description.contains("class b") == true)
    }

    @Test func `a replay asks for what was asked`() {
        var stream = RequestStream(.recorded([.zero, .seconds(1), .seconds(2)]))
        stream.recorded = [
            RecordedLengths(promptTokens: 100, outputTokens: 7, outputMax: nil),
            RecordedLengths(promptTokens: 200, outputTokens: nil, outputMax: 3),
            RecordedLengths(promptTokens: 300, outputTokens: 9, outputMax: nil),
        ]
        var fleet = FleetConfiguration(streams: [stream])
        fleet.warmUp = .zero
        fleet.measured = .seconds(10)
        let result = Fleet(fleet) { PolicyKind.sluice.make($0) }.run()
        #expect(result.records.map(\.promptTokens) == [100, 200, 300])
        #expect(result.records[0].outputTokens == 7)
        #expect(result.records[1].outputTokens <= 3)
        #expect(result.records.map(\.outcome) == [.served, .served, .served])
    }
}
