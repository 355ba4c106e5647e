import SluiceBytes
import Testing

@testable import SluiceHTTP

// Every parser is fed through these: whole, cut in two at every byte, and byte by byte. A check that
// sees two verdicts for one input fails, whatever the verdicts are.

/// The bytes of a text whose characters are all below U+0100, each one byte.
func octets(_ text: String) -> [UInt8] {
    text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
}

/// A field line in plain form.
struct Line: Equatable {
    var name: String
    var value: String
    var known: KnownField
    var isNominated: Bool
}

/// All that a request head says.
struct RequestFacts: Equatable {
    var method: Method
    var methodName: String
    var target: String
    var path: String
    var query: String
    var version: HTTPVersion
    var framing: BodyFraming
    var keepAlive: Bool
    var expectsContinue: Bool
    var host: String?
    var lines: [Line]
    var byteCount: Int
}

/// All that a response head says.
struct ResponseFacts: Equatable {
    var status: Int
    var reason: String
    var version: HTTPVersion
    var framing: BodyFraming
    var keepAlive: Bool
    var keepAliveTimeoutSeconds: Int?
    var isEventStream: Bool
    var lines: [Line]
    var byteCount: Int
}

/// What a parser said in the end.
enum Verdict<Facts: Equatable, Failure: Error & Equatable>: Equatable {
    case needMore
    case complete(Facts)
    case failed(Failure)

    /// The facts of a complete head.
    var facts: Facts? {
        if case .complete(let facts) = self { facts } else { nil }
    }
    /// The error of a refused one.
    var failure: Failure? {
        if case .failed(let failure) = self { failure } else { nil }
    }
}

typealias RequestVerdict = Verdict<RequestFacts, RequestError>
typealias ResponseVerdict = Verdict<ResponseFacts, ResponseError>

/// Where reads end, besides the end of the input.
enum Cuts {
    /// `[]` (whole), each single cut, and all of them; thinned out for long inputs.
    static func all(_ count: Int) -> [[Int]] {
        guard count > 1 else { return [[]] }
        let step = max(1, count / 400)
        let singles = stride(from: 1, to: count, by: step).map { [$0] }
        return [[]] + singles + [Array(stride(from: 1, to: count, by: step))]
    }
}

func lines(_ fields: borrowing FieldTable, _ bytes: Span<UInt8>) -> [Line] {
    (0..<fields.count).map { index in
        let line = fields[index]
        return Line(
            name: bytes.text(in: line.name), value: bytes.text(in: line.value), known: line.known,
            isNominated: line.isNominated)
    }
}

/// Parses one request head from reads that end at `cuts`.
func request(_ input: [UInt8], cuts: [Int] = [], limits: HeadLimits = HeadLimits())
    -> RequestVerdict
{
    var head = RequestHead()
    return request(input, into: &head, cuts: cuts, limits: limits)
}

/// Parses one request head into a value that may hold an earlier one.
func request(
    _ input: [UInt8], into head: inout RequestHead, cuts: [Int] = [],
    limits: HeadLimits = HeadLimits()
) -> RequestVerdict {
    var parser = RequestParser(limits: limits)
    for end in cuts + [input.count] {
        let bytes = input.span.extracting(0..<end)
        switch parser.parse(bytes, into: &head) {
        case .needMore: continue
        case .failed(let error): return .failed(error)
        case .complete:
            return .complete(
                RequestFacts(
                    method: head.method, methodName: bytes.text(in: head.methodName),
                    target: bytes.text(in: head.target), path: bytes.text(in: head.path),
                    query: bytes.text(in: head.query), version: head.version,
                    framing: head.framing, keepAlive: head.keepAlive,
                    expectsContinue: head.expectsContinue,
                    host: head.host.map { bytes.text(in: $0) }, lines: lines(head.fields, bytes),
                    byteCount: head.byteCount))
        }
    }
    return .needMore
}

/// Parses one request head at every cut.
func requestEverywhere(
    _ input: [UInt8], limits: HeadLimits = HeadLimits(),
    _ location: SourceLocation = #_sourceLocation
) -> RequestVerdict {
    let whole = request(input, limits: limits)
    for cuts in Cuts.all(input.count) {
        let verdict = request(input, cuts: cuts, limits: limits)
        if verdict != whole {
            #expect(verdict == whole, "cut at \(cuts.prefix(3))", sourceLocation: location)
            break
        }
    }
    return whole
}

/// Parses one response head from reads that end at `cuts`.
func response(
    _ input: [UInt8], to method: Method = .post, cuts: [Int] = [], limits: HeadLimits = HeadLimits()
) -> ResponseVerdict {
    var head = ResponseHead()
    return response(input, into: &head, to: method, cuts: cuts, limits: limits)
}

/// Parses one response head into a value that may hold an earlier one.
func response(
    _ input: [UInt8], into head: inout ResponseHead, to method: Method = .post, cuts: [Int] = [],
    limits: HeadLimits = HeadLimits()
) -> ResponseVerdict {
    var parser = ResponseParser(limits: limits)
    for end in cuts + [input.count] {
        let bytes = input.span.extracting(0..<end)
        switch parser.parse(bytes, into: &head, requestMethod: method) {
        case .needMore: continue
        case .failed(let error): return .failed(error)
        case .complete:
            return .complete(
                ResponseFacts(
                    status: head.status, reason: bytes.text(in: head.reason),
                    version: head.version, framing: head.framing, keepAlive: head.keepAlive,
                    keepAliveTimeoutSeconds: head.keepAliveTimeoutSeconds,
                    isEventStream: head.isEventStream, lines: lines(head.fields, bytes),
                    byteCount: head.byteCount))
        }
    }
    return .needMore
}

/// Parses one response head at every cut.
func responseEverywhere(
    _ input: [UInt8], to method: Method = .post, limits: HeadLimits = HeadLimits(),
    _ location: SourceLocation = #_sourceLocation
) -> ResponseVerdict {
    let whole = response(input, to: method, limits: limits)
    for cuts in Cuts.all(input.count) {
        let verdict = response(input, to: method, cuts: cuts, limits: limits)
        if verdict != whole {
            #expect(verdict == whole, "cut at \(cuts.prefix(3))", sourceLocation: location)
            break
        }
    }
    return whole
}

/// What came of a body.
struct BodyFacts: Equatable {
    enum End: Equatable {
        case open
        /// The body's framing ended here.
        case ended(at: Int)
        case failed(BodyError)
    }
    var data: [UInt8] = []
    var end = End.open
    /// Whether the end of the connection now would be the body's proper end.
    var mayEndHere = false
}

/// Decodes a body from reads that end at `cuts`; each read is a span of its own.
func body(_ input: [UInt8], _ framing: BodyFraming, cuts: [Int] = []) -> BodyFacts {
    var decoder = BodyDecoder(framing: framing)
    var facts = BodyFacts()
    var start = 0
    for end in cuts + [input.count] {
        let bytes = input.span.extracting(start..<end)
        var offset = 0
        reading: while true {
            switch decoder.next(bytes, from: offset) {
            case .data(let range):
                facts.data += range.map { bytes[$0] }
                offset = range.upperBound
            case .needMore(let at):
                offset = at
                break reading
            case .end(let at):
                facts.end = .ended(at: start + at)
                facts.mayEndHere = decoder.endsWithConnection
                return facts
            case .failed(let error):
                facts.end = .failed(error)
                return facts
            }
        }
        if offset != bytes.count { Issue.record("bytes left behind at \(start + offset)") }
        start = end
    }
    facts.mayEndHere = decoder.endsWithConnection
    return facts
}

/// Decodes a body at every cut.
func bodyEverywhere(
    _ input: [UInt8], _ framing: BodyFraming, _ location: SourceLocation = #_sourceLocation
) -> BodyFacts {
    let whole = body(input, framing)
    for cuts in Cuts.all(input.count) {
        let facts = body(input, framing, cuts: cuts)
        if facts != whole {
            #expect(facts == whole, "cut at \(cuts.prefix(3))", sourceLocation: location)
            break
        }
    }
    return whole
}

/// Offsets at which events end, from reads that end at `cuts`.
func eventEnds(_ input: [UInt8], cuts: [Int] = []) -> [Int] {
    var scanner = EventStreamScanner()
    var ends: [Int] = []
    var start = 0
    for end in cuts + [input.count] {
        let bytes = input.span.extracting(start..<end)
        var offset = 0
        while case .event(let at) = scanner.next(bytes, in: offset..<bytes.count) {
            ends.append(start + at)
            offset = at
        }
        start = end
    }
    return ends
}

/// SplitMix64: the same sequence on every machine.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
