import SluiceBytes
import SluiceHTTP

/// The bytes of a text whose characters are all below U+0100, each one byte.
package func octets(_ text: String) -> [UInt8] {
    text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
}

/// Where reads end, besides the end of the input.
package enum Cuts {
    /// `[]` (whole), each single cut, and all of them; thinned out for long inputs.
    package static func all(_ count: Int) -> [[Int]] {
        guard count > 1 else { return [[]] }
        let step = max(1, count / 400)
        let singles = stride(from: 1, to: count, by: step).map { [$0] }
        return [[]] + singles + [Array(stride(from: 1, to: count, by: step))]
    }
}

/// The input in pieces that end at `cuts`, each an array of its own: a look beyond one is a look beyond
/// its memory.
package func pieces(_ input: [UInt8], _ cuts: [Int]) -> [[UInt8]] {
    var start = 0
    return (cuts + [input.count]).map { end in
        defer { start = end }
        return Array(input[start..<end])
    }
}

package func lines(_ fields: borrowing FieldTable, _ bytes: Span<UInt8>) -> [Line] {
    (0..<fields.count).map { index in
        let line = fields[index]
        return Line(
            name: bytes.text(in: line.name), value: bytes.text(in: line.value), known: line.known,
            isNominated: line.isNominated)
    }
}

/// Parses one request head from reads that end at `cuts`.
package func request(_ input: [UInt8], cuts: [Int] = [], limits: HeadLimits = HeadLimits())
    -> RequestVerdict
{
    var head = RequestHead()
    return request(input, into: &head, cuts: cuts, limits: limits)
}

/// Parses one request head into a value that may hold an earlier one.
package func request(
    _ input: [UInt8], into head: inout RequestHead, cuts: [Int] = [],
    limits: HeadLimits = HeadLimits()
) -> RequestVerdict {
    var parser = RequestParser(limits: limits)
    for end in cuts + [input.count] {
        let read = Array(input[..<end])
        let bytes = read.span
        switch parser.parse(bytes, into: &head) {
        case .needMore: continue
        case .failed(let error): return .failed(error)
        case .complete:
            return .complete(
                RequestHeadFacts(
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

/// Parses one response head from reads that end at `cuts`.
package func response(
    _ input: [UInt8], to method: Method = .post, cuts: [Int] = [], limits: HeadLimits = HeadLimits()
) -> ResponseVerdict {
    var head = ResponseHead()
    return response(input, into: &head, to: method, cuts: cuts, limits: limits)
}

/// Parses one response head into a value that may hold an earlier one.
package func response(
    _ input: [UInt8], into head: inout ResponseHead, to method: Method = .post, cuts: [Int] = [],
    limits: HeadLimits = HeadLimits()
) -> ResponseVerdict {
    var parser = ResponseParser(limits: limits)
    for end in cuts + [input.count] {
        let read = Array(input[..<end])
        let bytes = read.span
        switch parser.parse(bytes, into: &head, requestMethod: method) {
        case .needMore: continue
        case .failed(let error): return .failed(error)
        case .complete:
            return .complete(
                ResponseHeadFacts(
                    status: head.status, reason: bytes.text(in: head.reason),
                    version: head.version, framing: head.framing, keepAlive: head.keepAlive,
                    keepAliveTimeoutSeconds: head.keepAliveTimeoutSeconds,
                    isEventStream: head.isEventStream, lines: lines(head.fields, bytes),
                    byteCount: head.byteCount))
        }
    }
    return .needMore
}

/// Decodes a body from reads that end at `cuts`.
package func body(_ input: [UInt8], _ framing: BodyFraming, cuts: [Int] = []) -> BodyFacts {
    var decoder = BodyDecoder(framing: framing)
    var facts = BodyFacts()
    var start = 0
    for piece in pieces(input, cuts) {
        let bytes = piece.span
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
        if offset != bytes.count {
            facts.end = .leftBehind(at: start + offset)
            return facts
        }
        start += bytes.count
    }
    facts.mayEndHere = decoder.endsWithConnection
    return facts
}

/// Offsets at which events end, from reads that end at `cuts`.
package func eventEnds(_ input: [UInt8], cuts: [Int] = []) -> [Int] {
    var scanner = EventStreamScanner()
    var ends: [Int] = []
    var start = 0
    for piece in pieces(input, cuts) {
        let bytes = piece.span
        var offset = 0
        while case .event(let at) = scanner.next(bytes, in: offset..<bytes.count) {
            ends.append(start + at)
            offset = at
        }
        start += bytes.count
    }
    return ends
}
