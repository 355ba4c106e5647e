import Foundation
import SluiceBytes
import SluiceExchange
import SluiceInsight
import SluiceReactor
import SluiceTime
import Testing

// Replica, client and gateway are threads of one process and read one clock. What the gateway says of
// an exchange is held against what its two ends saw: a clock of the gateway lies between the moment
// before its cause was sent and the moment in which its effect had come. On a machine that stands
// still for a while those windows grow with the error, and no further.

/// An answer in pieces, each at its time after the whole request had come.
final class TimedAnswer: Sendable {
    struct Piece: Sendable {
        let at: Nanoseconds
        let bytes: String
    }

    /// What the replica's side saw.
    struct Sight: Sendable {
        /// The whole request had come.
        var arrived = Instant.unset
        /// Before each piece was sent.
        var sent: [Instant] = []
        /// The last piece was out.
        var ended = Instant.unset
    }

    let pieces: [Piece]
    private let sight = Guarded(Sight())

    init(_ pieces: [(milliseconds: Int64, bytes: String)]) {
        self.pieces = pieces.map { Piece(at: .milliseconds($0.milliseconds), bytes: $0.bytes) }
    }

    var seen: Sight { sight.withLock { $0 } }

    /// Sends the answer to the request that has just come.
    func play(_ peer: UpstreamPeer) {
        let arrived = MonotonicClock.now()
        sight.withLock { $0.arrived = arrived }
        for piece in pieces {
            while MonotonicClock.now() < arrived + piece.at, !peer.isStopping {
                pause(min(.milliseconds(1), arrived + piece.at - MonotonicClock.now()))
            }
            let before = MonotonicClock.now()
            sight.withLock { $0.sent.append(before) }
            guard peer.send(piece.bytes) else { break }
        }
        sight.withLock { $0.ended = MonotonicClock.now() }
    }

    /// Before the first piece that holds `text` was sent.
    func sent(_ text: String) throws -> Instant {
        let index = try #require(pieces.firstIndex { $0.bytes.contains(text) })
        return try #require(seen.sent.indices.contains(index) ? seen.sent[index] : nil)
    }
}

/// A client that knows when it had how much of its answer.
final class TimedClient {
    let connection: RawConnection
    /// Before its first byte was sent.
    let asked: Instant
    private(set) var left = Instant.unset
    private var marks: [(at: Instant, count: Int)] = []

    init(_ gateway: GatewayUnderTest, _ request: String) throws {
        connection = try gateway.connect()
        asked = MonotonicClock.now()
        connection.send(request)
    }

    /// Reads until `text` has come, or the answer's end where there is none.
    func read(until text: String? = nil, within: Nanoseconds = RawConnection.patience) {
        let deadline = asked + within
        while MonotonicClock.now() < deadline, connection.ending == nil {
            if connection.readSome(within: .milliseconds(20)) {
                marks.append((MonotonicClock.now(), connection.all.count))
            }
            if let text {
                if connection.all.holds(text) { return }
            } else if let answer = RawAnswer(connection.all, isHead: false, isOver: false),
                answer.isWhole
            {
                return
            }
        }
    }

    /// Closes, and notes when.
    func leave() {
        left = MonotonicClock.now()
        connection.close()
    }

    /// When the first occurrence of `text` had come whole.
    func got(_ text: String) throws -> Instant { marks[try mark(of: text)].at }

    /// When something had come that was not there yet when `text` was; nil where nothing did.
    func gotNext(after text: String) throws -> Instant? {
        let next = try mark(of: text) + 1
        return marks.indices.contains(next) ? marks[next].at : nil
    }

    private func mark(of text: String) throws -> Int {
        let offset = try #require(connection.all.firstOffset(of: text), "\(text) has not come")
        let end = offset + text.utf8.count
        return try #require(marks.firstIndex { $0.count >= end })
    }
}

/// When a clock of the gateway must have been read, as the ends of the exchange saw it.
typealias Window = ClosedRange<Instant>

/// How far the gateway may be from the script.
let clockTolerance = 0.005

/// The seconds that may lie between two clocks.
func between(_ a: Window, _ b: Window) -> ClosedRange<Double> {
    let least = (b.lowerBound - a.upperBound).seconds
    let most = (b.upperBound - a.lowerBound).seconds
    return (least - clockTolerance)...(most + clockTolerance)
}

/// What a gateway said of its only exchange, in its three ways.
struct Measured {
    /// When its metrics had told of it: whatever the gateway reads its clock for is over by then.
    let told: Instant
    let page: MetricsText
    let line: [String: Any]
    let trace: ReadTrace
    /// What objectives judged it by; empty where it was not the only exchange.
    private(set) var judgedBy: Set<Indicator> = []

    /// A time of the access log in seconds.
    func logged(_ field: String) -> Double? { (line[field] as? Double).map { $0 / 1_000 } }

    /// The wall clock at the first byte, by the access log.
    var loggedTime: Date? {
        let format = ISO8601DateFormatter()
        format.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        return (line["time"] as? String).flatMap { format.date(from: $0) }
    }

    /// When the gateway read its clock for a delivery: it does so once that is written, which may be
    /// after the client had it, and before the gateway sends what follows or tells of the exchange.
    func delivery(
        of text: String, from answer: TimedAnswer, to client: TimedClient
    ) throws -> Window {
        (try answer.sent(text))...(try client.gotNext(after: text) ?? told)
    }

    /// The one observation of a histogram; nil where there is none, or more.
    func observed(_ name: String, _ labels: String...) -> Double? {
        let count = page.sum(name + "_count", all: labels)
        return count == 1 ? page.sum(name + "_sum", all: labels) : nil
    }

    /// The metric's only observation, where it is in `range` and the log says the same; else nil.
    func agree(
        _ name: String, _ labels: String..., field: String?, _ range: ClosedRange<Double>,
        _ location: SourceLocation = #_sourceLocation
    ) {
        let count = page.sum(name + "_count", all: labels)
        #expect(count == 1, "\(name) \(labels)", sourceLocation: location)
        let value = page.sum(name + "_sum", all: labels)
        #expect(range.contains(value), "\(name) \(labels)", sourceLocation: location)
        guard let field else { return }
        let logged = logged(field) ?? -1
        // The log has microseconds, cut.
        #expect(abs(logged - value) < 0.000_002, "\(field)", sourceLocation: location)
    }

    /// The trace has the times of the log, part by part, and an end where that has one.
    private func checkTrace() {
        for (field, name) in [
            ("receive_ms", "receive"), ("queue_ms", "queue"), ("engine_ms", "engine"),
        ] {
            // The first wait, and the engine that answered.
            let spans = trace.parts.filter { $0.name == name }
            let time = (name == "engine" ? spans.last : spans.first)?.seconds
            #expect((time == nil) == (logged(field) == nil), "\(name)")
            if let time, let logged = logged(field) {
                #expect(abs(time - logged) < 0.000_002, "\(name)")
            }
        }
        // From the first attempt's beginning to the last one's whole request.
        let connects = trace.parts.filter { $0.name == "connect" }
        #expect(connects.isEmpty == (logged("connect_ms") == nil))
        if let first = connects.first, let last = connects.last, let logged = logged("connect_ms") {
            #expect(abs(Double(last.end - first.start) * 1e-9 - logged) < 0.000_002)
        }
        let received = trace.parts.first { $0.name == "receive" }?.end ?? 0
        if let duration = logged("duration_ms") {
            #expect(abs(Double(trace.root.end - received) * 1e-9 - duration) < 0.000_002)
        }
        let first = trace.root.events["first_token"].map { Double($0 - received) * 1e-9 }
        #expect((first == nil) == (logged("ttft_ms") == nil))
        if let first, let logged = logged("ttft_ms") { #expect(abs(first - logged) < 0.000_002) }
        // Whole milliseconds, cut.
        let start = Double(trace.root.start) * 1e-9
        let ahead = start - (loggedTime?.timeIntervalSince1970 ?? 0)
        #expect(ahead > -0.000_002 && ahead < 0.001_002)
    }

    /// Runs exchanges before `upstreams` and returns what was said of the last, when so many had ended
    /// in `outcome`. Of an only exchange log, trace and objectives have to agree.
    static func run(
        _ upstreams: [ScriptedUpstream], outcome: String = "ok", count: Double = 1,
        change: (inout GatewaySettings) -> Void = { _ in },
        _ exchange: (GatewayUnderTest) throws -> Void
    ) throws -> Measured {
        let path = NSTemporaryDirectory() + "sluice-clocks-\(UUID().uuidString).log"
        defer { try? FileManager.default.removeItem(atPath: path) }
        var page: MetricsText?
        var told = Instant.unset
        var objectives: [Objective] = []
        let collector = try ScriptedUpstream { peer in
            while peer.nextRequest() != nil { peer.answer("", type: "application/x-protobuf") }
        }
        defer { collector.stop() }
        try GatewayUnderTest.run(
            upstreams,
            change: {
                $0.accessLog = .file(path)
                $0.tracing.endpoint = collector.url
                $0.objectives = JudgedExchange.objectives
                change(&$0)
                objectives = $0.objectives ?? []
            }
        ) { gateway in
            try exchange(gateway)
            #expect(gateway.sees(outcome, count))
            told = MonotonicClock.now()
            page = gateway.metrics()
        }
        let log = try String(contentsOfFile: path, encoding: .utf8)
        let lines = try log.split(separator: "\n").map {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
        }
        let line = try #require(lines.last { $0["outcome"] as? String == outcome })
        let id = try #require(line["trace_id"] as? String)
        let trace = try #require(ReadTrace(id, in: collector.requests.map(\.body)))
        var measured = Measured(
            told: told, page: try #require(page), line: line, trace: trace)
        measured.checkTrace()
        if lines.count == 1 { measured.judgedBy = JudgedExchange.check(measured, objectives) }
        return measured
    }
}

extension MetricsText {
    /// ``sum(_:_:)`` with the labels in an array.
    func sum(_ name: String, all labels: [String]) -> Double {
        text.split(separator: "\n").reduce(0) { sum, line in
            guard line.hasPrefix(name), let mark = line.dropFirst(name.count).first,
                mark == "{" || mark == " ", labels.allSatisfy({ line.contains($0) }),
                let space = line.lastIndex(of: " "),
                let value = Double(line[line.index(after: space)...])
            else { return sum }
            return sum + value
        }
    }
}
