import Foundation
import SluiceBytes
import Testing

@testable import SluiceHTTP

// Seeded, so that a failure comes back: the index of an input is its seed.

private let seeds: [[UInt8]] = [
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /v1/chat/completions HTTP/1.1\r\nHost: gateway:8080\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello",
    "POST /v1/completions?x=y HTTP/1.1\r\nhost: [::1]:80\r\nTransfer-Encoding: chunked\r\nConnection: x-a, close\r\nX-A: b\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "GET http://a/v1/models HTTP/1.1\r\nHost: A\r\nAuthorization: Bearer x\r\nX-Request-Id: 1\r\nX-B:\tc \r\n\r\n",
    "PUT /x HTTP/1.0\r\nConnection: keep-alive\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
].map(octets)

private let answers: [[UInt8]] = [
    "HTTP/1.1 200 OK\r\ndate: x\r\nserver: uvicorn\r\ncontent-length: 5\r\n\r\nhello",
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nKeep-Alive: timeout=5\r\n\r\n9\r\ndata: a\n\n\r\n0\r\n\r\n",
    "HTTP/1.0 503\r\nConnection: close\r\nRetry-After: 1\r\n\r\nbusy",
    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
].map(octets)

private let chunks: [[UInt8]] = [
    "5\r\nhello\r\n0\r\n\r\n", "5;a=b\r\nhello\r\nA;c=\"d\\\"\"\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
    "1\r\na\r\n01\r\nb\r\n000;x\r\nContent-Length: 5\r\nA:\r\n\r\n",
].map(octets)

private let pieces: [[UInt8]] = [
    "\r\n", "\n", "\r", "\0", " ", "\t", ":", ";", ",", "\"", "\\", "0", "9", "f", "\u{7F}",
    "\u{FF}", "#", "/", "\r\n ",
    "\r\n\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Host: b\r\n",
    "Connection: host\r\n",
    " : ", "HTTP/1.1", "chunked", "18446744073709551616", ";a=b",
].map(octets)

/// One to three small wounds.
private func mutate(_ seed: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
    var bytes = seed
    for _ in 0..<Int.random(in: 1...3, using: &random) {
        let place = Int.random(in: 0...bytes.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1 where place < bytes.count:
            bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2 where place < bytes.count:
            let end = min(bytes.count, place + Int.random(in: 1...6, using: &random))
            bytes.removeSubrange(place..<end)
        case 3:
            let end = min(bytes.count, place + Int.random(in: 1...40, using: &random))
            bytes.insert(
                contentsOf: bytes[place..<end], at: Int.random(in: 0...bytes.count, using: &random))
        case 4: bytes.removeSubrange(place...)
        default:
            bytes.insert(
                contentsOf: pieces[Int.random(in: 0..<pieces.count, using: &random)], at: place)
        }
    }
    return bytes
}

/// Up to three cuts in order.
private func cuts(_ count: Int, _ random: inout SeededGenerator) -> [Int] {
    guard count > 1 else { return [] }
    return (0..<Int.random(in: 1...3, using: &random))
        .map { _ in Int.random(in: 1..<count, using: &random) }.sorted()
}

/// What an upstream would get: the end-to-end fields, and the Host and framing that were judged.
private func serialise(_ input: [UInt8]) -> [UInt8]? {
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

private let ours = KnownFieldSet(.host, .contentLength).union(.hopByHop)

/// The end-to-end lines.
private func endToEnd(_ facts: RequestFacts) -> [Line] {
    facts.lines.filter { !$0.isNominated && !ours.contains($0.known) }
}

/// What the strict grammar demands of any head that was accepted, checked in another way.
private func isClean(_ input: [UInt8], _ facts: RequestFacts) -> Bool {
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

@Suite struct `Whatever the bytes` {
    @Test(arguments: 0..<8) func `a request head has one verdict, and what is accepted is clean`(
        _ part: Int
    ) {
        var accepted = 0
        for index in 0..<2_500 {
            var random = SeededGenerator(seed: UInt64(part * 2_500 + index))
            let input = mutate(seeds[index % seeds.count], &random)
            let whole = request(input)
            let places = cuts(input.count, &random)
            let cut = request(input, cuts: places)
            if whole != cut {
                Issue.record("\(part)/\(index): \(whole) but \(cut) cut at \(places)")
            }
            guard let facts = whole.facts else { continue }
            accepted += 1
            if !isClean(input, facts) { Issue.record("\(part)/\(index): unclean: \(input)") }
            guard let written = serialise(input), let again = request(written).facts else {
                Issue.record("\(part)/\(index): what was written is refused")
                continue
            }
            let same =
                again.method == facts.method && again.methodName == facts.methodName
                && again.target == facts.target && again.path == facts.path
                && again.query == facts.query && again.version == facts.version
                && again.host == facts.host && again.framing == facts.framing
                && endToEnd(again) == endToEnd(facts) && again.byteCount == written.count
                && serialise(written) == written
            if !same { Issue.record("\(part)/\(index): \(facts) became \(again)") }
        }
        #expect(accepted > 200, "the mutations are too hard to test what is accepted")
    }

    @Test func `a response head has one verdict`() {
        for index in 0..<6_000 {
            var random = SeededGenerator(seed: UInt64(100_000 + index))
            let input = mutate(answers[index % answers.count], &random)
            let method = Method.allCases[index % 7]
            let whole = response(input, to: method)
            let places = cuts(input.count, &random)
            let cut = response(input, to: method, cuts: places)
            if whole != cut { Issue.record("\(index): \(whole) but \(cut) cut at \(places)") }
        }
    }

    @Test func `a body has one end and one content`() {
        for index in 0..<10_000 {
            var random = SeededGenerator(seed: UInt64(200_000 + index))
            let input = mutate(chunks[index % chunks.count], &random)
            let framing: BodyFraming = index % 10 == 0 ? .length(index % 40) : .chunked
            let whole = body(input, framing)
            let places = cuts(input.count, &random)
            let cut = body(input, framing, cuts: places)
            if whole != cut { Issue.record("\(index): \(whole) but \(cut) cut at \(places)") }
            let single = body(input, framing, cuts: Array(1..<max(1, input.count)))
            if whole != single { Issue.record("\(index): \(whole) but \(single) byte by byte") }
        }
    }
}
