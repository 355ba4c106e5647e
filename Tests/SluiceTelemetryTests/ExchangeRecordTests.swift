import SluiceBytes
import SluiceTelemetry
import SluiceTime
import Testing

@Suite struct ExchangeRecordTests {
    /// A small deterministic generator: the tests read no clock and no randomness.
    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ (state >> 29)
        }
    }

    @Test func `the stages partition the time to first token`() {
        var record = ExchangeRecord()
        record.isStream = true
        record.received = Instant(nanoseconds: 1_000)
        record.admitted = Instant(nanoseconds: 1_300)
        record.sent = Instant(nanoseconds: 1_350)
        record.firstContentArrived = Instant(nanoseconds: 9_000)
        record.firstContentWritten = Instant(nanoseconds: 9_100)
        #expect(record.timeToFirstToken == Nanoseconds(8_100))
        #expect(record.time(in: .queue) == Nanoseconds(300))
        #expect(record.time(in: .connect) == Nanoseconds(50))
        #expect(record.time(in: .engine) == Nanoseconds(7_650))
        #expect(record.time(in: .deliver) == Nanoseconds(100))
    }

    @Test func `the stages sum to it whatever order the clocks were read in, or missing`() {
        var generator = Generator(state: 7)
        for _ in 0..<2_000 {
            var record = ExchangeRecord()
            record.isStream = true
            func clock() -> Instant {
                Instant(nanoseconds: Int64.random(in: -2...20, using: &generator))
            }
            record.received = Instant(nanoseconds: Int64.random(in: 1...10, using: &generator))
            record.admitted = clock()
            record.sent = clock()
            record.firstContentArrived = clock()
            record.firstContentWritten = Instant(
                nanoseconds: Int64.random(in: 1...20, using: &generator))
            let stages = Stage.allCases.map { record.time(in: $0) }
            #expect(stages.allSatisfy { $0 >= .zero })
            #expect(stages.reduce(.zero, +) == record.timeToFirstToken)
        }
    }

    @Test func `only event streams with content have a time to first token`() {
        var record = ExchangeRecord()
        record.received = Instant(nanoseconds: 5)
        record.firstContentWritten = Instant(nanoseconds: 9)
        #expect(record.timeToFirstToken == nil)
        record.isStream = true
        #expect(record.timeToFirstToken == Nanoseconds(4))
        record.firstContentWritten = .unset
        #expect(record.timeToFirstToken == nil)
    }

    @Test func `time per output token prefers usage to content events`() {
        var record = ExchangeRecord()
        record.isStream = true
        record.firstContentWritten = Instant(nanoseconds: 100)
        record.lastContentWritten = Instant(nanoseconds: 1_000)
        record.contentEvents = 4
        #expect(record.timePerOutputToken?.time == Nanoseconds(300))
        #expect(record.timePerOutputToken?.isUsage == false)
        record.generationTokens = 10
        #expect(record.timePerOutputToken?.time == Nanoseconds(100))
        #expect(record.timePerOutputToken?.isUsage == true)
        record.generationTokens = 1
        #expect(record.timePerOutputToken == nil)
    }

    @Test func `attempts beyond the bound are not kept by name`() {
        var record = ExchangeRecord()
        for replica in 0..<6 { record.attempted(replica: Int32(replica), suffix: 0) }
        #expect(record.attempts == 4)
        #expect(record.replicaIndex == 5)
        #expect(record.replicasTried[3] == 3)
    }

    @Test func `inline text is cut at its capacity`() {
        var text = InlineText<4>("ab")
        let more: [UInt8] = [0x63, 0x64, 0x65]
        text.append(more.span)
        #expect(text.text == "abcd")
        text.append(0x66)
        #expect(text.count == 4)
        text.removeAll()
        #expect(text.isEmpty)
    }
}

@Suite struct LabelTests {
    @Test func `labels are snake case and unique in each enum`() {
        func check(_ labels: [StaticString]) {
            let texts = labels.map(\.description)
            #expect(Set(texts).count == texts.count)
            for text in texts {
                #expect(
                    text.allSatisfy { $0 == "_" || ($0.isASCII && ($0.isLowercase || $0.isNumber)) }
                )
            }
        }
        check(Route.allCases.map(\.label))
        check(Phase.allCases.map(\.label))
        check(Outcome.allCases.map(\.label))
        check(Reason.allCases.map(\.label))
        check(Stage.allCases.map(\.label))
        check(ExchangeResult.allCases.map(\.label))
        check(WaitResult.allCases.map(\.label))
    }

    @Test func `the model table keeps 64 names and calls the rest other`() {
        var table = ModelTable()
        for i in 0..<70 { _ = table.intern("m\(i)") }
        #expect(table.intern("m3") == 3)
        #expect(table.index(of: "m63") == 63)
        #expect(table.index(of: "m64") == ModelTable.other)
        #expect(table.name(ModelTable.other) == "other")
        #expect(table.names.count == 64)
    }
}
