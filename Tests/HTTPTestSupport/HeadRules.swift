import Foundation
import SluiceBytes
import SluiceHTTP

// What has to hold of every message, whatever its bytes are: for seeded mutations in the unit tests,
// for the fuzzer and for its corpus. Each answers what does not hold, or nil.

/// One verdict at every cut; what is accepted is clean, and written anew says the same.
///
/// - Parameter readings: where reads end, once for each reading beside the one in one piece.
package func requestProblem(_ input: [UInt8], readings: [[Int]]) -> String? {
    let whole = request(input)
    var small = HeadLimits()
    (small.headBytesMax, small.fieldsMax, small.targetBytesMax) = (96, 3, 12)
    (small.fieldNameBytesMax, small.methodBytesMax) = (8, 4)
    let smallWhole = request(input, limits: small)
    for cuts in readings {
        let cut = request(input, cuts: cuts)
        if cut != whole { return "\(whole) but \(cut) cut at \(cuts)" }
        let smallCut = request(input, cuts: cuts, limits: small)
        if smallCut != smallWhole {
            return "\(smallWhole) but \(smallCut) cut at \(cuts), with small limits"
        }
    }
    guard let facts = whole.facts else { return nil }
    if !isClean(input, facts) { return "accepted, and unclean" }
    guard let written = serialised(request: input), let again = request(written).facts else {
        return "what was written of it is refused"
    }
    let same =
        again.method == facts.method && again.methodName == facts.methodName
        && again.target == facts.target && again.path == facts.path
        && again.query == facts.query && again.version == facts.version
        && again.host == facts.host && again.framing == facts.framing
        && endToEnd(again.lines) == endToEnd(facts.lines) && again.byteCount == written.count
        && serialised(request: written) == written
    return same ? nil : "\(facts) became \(again)"
}

/// One verdict at every cut, and what is accepted says the same when it is written anew.
package func responseProblem(_ input: [UInt8], to method: Method, readings: [[Int]]) -> String? {
    let whole = response(input, to: method)
    for cuts in readings {
        let cut = response(input, to: method, cuts: cuts)
        if cut != whole { return "\(method): \(whole) but \(cut) cut at \(cuts)" }
    }
    guard let facts = whole.facts else { return nil }
    guard let written = serialised(response: input, to: method),
        let again = response(written, to: method).facts
    else { return "\(method): what was written of it is refused" }
    let same =
        again.status == facts.status && again.reason == facts.reason
        && again.version == facts.version && again.framing == facts.framing
        && again.isEventStream == facts.isEventStream
        && endToEnd(again.lines) == endToEnd(facts.lines) && again.byteCount == written.count
        && serialised(response: written, to: method) == written
    return same ? nil : "\(method): \(facts) became \(again)"
}

/// What a head that follows another says is what it says alone, in whatever order they come.
package func followingHeadProblem(_ first: [UInt8], _ second: [UInt8]) -> String? {
    var requestHead = RequestHead()
    var responseHead = ResponseHead()
    for input in [first, second, first, first] {
        let asked = request(input, into: &requestHead)
        if asked != request(input) { return "\(request(input)), and \(asked) behind another" }
        let answered = response(input, into: &responseHead)
        if answered != response(input) {
            return "\(response(input)), and \(answered) behind another"
        }
    }
    return nil
}

/// One content and one end at every cut; the content in new chunks is the same.
package func bodyProblem(_ input: [UInt8], _ framing: BodyFraming, readings: [[Int]]) -> String? {
    let whole = body(input, framing)
    for cuts in readings {
        let cut = body(input, framing, cuts: cuts)
        if cut != whole { return "\(whole) but \(cut) cut at \(cuts)" }
    }
    if whole.data.count > input.count { return "more content than bytes" }
    guard framing == .chunked else { return nil }
    var output = ByteBuffer()
    for piece in [whole.data[..<(whole.data.count / 3)], whole.data[(whole.data.count / 3)...]]
    where !piece.isEmpty {
        HeadWriter.appendChunkSize(piece.count, into: &output)
        output.append(Array(piece).span, 0..<piece.count)
        output.append("\r\n")
    }
    HeadWriter.appendLastChunk(into: &output)
    let written = output.array()
    let again = body(written, .chunked)
    if again != BodyFacts(data: whole.data, end: .ended(at: written.count), mayEndHere: true) {
        return "\(whole) became \(again)"
    }
    return wholeChunksProblem(input, whole)
}

/// Chunks taken as wholes are those that the decoder takes.
private func wholeChunksProblem(_ input: [UInt8], _ whole: BodyFacts) -> String? {
    var decoder = BodyDecoder(framing: .chunked)
    var (offset, data) = (0, [UInt8]())
    while decoder.isBetweenChunks, let chunk = BodyDecoder.wholeChunk(input.span, at: offset) {
        data += input[chunk]
        offset = chunk.upperBound + 2
    }
    while case .data(let range) = decoder.next(input.span, from: offset) {
        data += input[range]
        offset = range.upperBound
    }
    // Passed over by, chunks give extensions no room: less may be read, and never something else.
    return whole.data.starts(with: data) ? nil : "\(whole), and \(data) by whole chunks"
}

/// One place for the end of each event at every cut, but for the LF of a CR LF that is cut in two.
package func eventEndsProblem(_ input: [UInt8], readings: [[Int]]) -> String? {
    let whole = eventEnds(input)
    for cuts in readings {
        let cut = eventEnds(input, cuts: cuts)
        let same =
            cut.count == whole.count
            && zip(cut, whole).allSatisfy { a, b in
                a == b || a == b - 1 && input[a - 1] == 0x0D && input[a] == 0x0A
            }
        if !same { return "events end at \(whole), and at \(cut) cut at \(cuts)" }
    }
    return nil
}

// MARK: Written anew

/// What an upstream would get: the end-to-end fields, and the Host and framing that were judged.
private func serialised(request input: [UInt8]) -> [UInt8]? {
    var head = RequestHead()
    var parser = RequestParser(limits: HeadLimits())
    guard case .complete = parser.parse(input.span, into: &head) else { return nil }
    var output = ByteBuffer()
    output.append(input.span, head.methodName)
    output.append(" ")
    output.append(input.span, head.target)
    output.append(head.version == .http11 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n")
    if let host = head.host {
        output.append("Host: ")
        output.append(input.span, host)
        output.append("\r\n")
    }
    HeadWriter.appendFields(
        of: &head, input.span, dropping: KnownFieldSet(.host, .contentLength), into: &output)
    switch head.framing {
    case .none, .untilClose: break
    case .length(let count):
        output.append("Content-Length: ")
        output.appendDecimal(count)
        output.append("\r\n")
    case .chunked: output.append("Transfer-Encoding: chunked\r\n")
    }
    output.append("\r\n")
    return output.array()
}

/// What a client would get of an answer's head: the status, the end-to-end fields, the framing.
private func serialised(response input: [UInt8], to method: Method) -> [UInt8]? {
    var head = ResponseHead()
    var parser = ResponseParser(limits: HeadLimits())
    guard case .complete = parser.parse(input.span, into: &head, requestMethod: method) else {
        return nil
    }
    var output = ByteBuffer()
    output.append(head.version == .http11 ? "HTTP/1.1 " : "HTTP/1.0 ")
    output.appendDecimal(head.status)
    output.append(" ")
    output.append(input.span, head.reason)
    output.append("\r\n")
    HeadWriter.appendFields(
        of: &head, input.span, dropping: KnownFieldSet(.contentLength), into: &output)
    let neverHasBody =
        method == .head || head.status < 200 || head.status == 204 || head.status == 304
    switch head.framing {
    case .none: if !neverHasBody { output.append("Content-Length: 0\r\n") }
    case .length(let count):
        output.append("Content-Length: ")
        output.appendDecimal(count)
        output.append("\r\n")
    case .chunked: output.append("Transfer-Encoding: chunked\r\n")
    case .untilClose: break
    }
    output.append("\r\n")
    return output.array()
}

private let ours = KnownFieldSet(.host, .contentLength).union(.hopByHop)

/// The end-to-end lines.
private func endToEnd(_ lines: [Line]) -> [Line] {
    lines.filter { !$0.isNominated && !ours.contains($0.known) }
}

/// What the strict grammar demands of any head that was accepted, checked in another way.
private func isClean(_ input: [UInt8], _ facts: RequestHeadFacts) -> Bool {
    let head = input[..<facts.byteCount]
    guard head.suffix(4).elementsEqual([13, 10, 13, 10]) else { return false }
    for (index, byte) in head.enumerated() {
        switch byte {
        case 0x0A: if index == 0 || head[index - 1] != 0x0D { return false }
        case 0x0D: if index + 1 >= head.count || head[index + 1] != 0x0A { return false }
        case 0x09, 0x20...0x7E, 0x80...0xFF: continue
        default: return false
        }
    }
    let text = head.map { $0 < 0x80 ? String(UnicodeScalar($0)) : "?" }.joined()
    let lines = text.components(separatedBy: "\r\n").dropLast(2)
    let names = lines.dropFirst().map {
        ($0.split(separator: ":", omittingEmptySubsequences: false).first ?? "").lowercased()
    }
    let hosts = names.filter { $0 == "host" }.count
    let lengths = names.filter { $0 == "content-length" }.count
    let codings = names.filter { $0 == "transfer-encoding" }.count
    return hosts <= 1 && (hosts == 1 || facts.version == .http10) && lengths + codings <= 1
        && (codings == 1) == (facts.framing == .chunked) && names.count == facts.lines.count
        && names.allSatisfy { !$0.isEmpty && !$0.contains(" ") }
        && lines[0].split(separator: " ", omittingEmptySubsequences: false).count == 3
}
