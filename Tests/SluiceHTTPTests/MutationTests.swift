import SluiceBytes
import HTTPTestSupport
import SluiceHTTP
import Testing

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

@Suite struct `Whatever the bytes` {
    @Test(arguments: 0..<8) func `a request head has one verdict, and what is accepted is clean`(
        _ part: Int
    ) {
        var accepted = 0
        for index in 0..<2_500 {
            var random = SplitMix64(seed: UInt64(part * 2_500 + index))
            let input = mutate(seeds[index % seeds.count], &random)
            let cuts = someCuts(input.count, &random)
            if let problem = requestProblem(input, readings: [cuts]) {
                Issue.record("\(part)/\(index): \(problem)")
            }
            if request(input).facts != nil { accepted += 1 }
        }
        #expect(accepted > 200, "the mutations are too hard to test what is accepted")
    }

    @Test func `a response head has one verdict, and says the same when it is passed on`() {
        var accepted = 0
        for index in 0..<6_000 {
            var random = SplitMix64(seed: UInt64(100_000 + index))
            let input = mutate(answers[index % answers.count], &random)
            let method = Method.allCases[index % 7]
            let cuts = someCuts(input.count, &random)
            if let problem = responseProblem(input, to: method, readings: [cuts]) {
                Issue.record("\(index): \(problem)")
            }
            if response(input, to: method).facts != nil { accepted += 1 }
        }
        #expect(accepted > 600, "the mutations are too hard to test what is accepted")
    }

    @Test func `a body has one end and one content`() {
        for index in 0..<10_000 {
            var random = SplitMix64(seed: UInt64(200_000 + index))
            let input = mutate(chunks[index % chunks.count], &random)
            let framing: BodyFraming = index % 10 == 0 ? .length(index % 40) : .chunked
            let cuts = someCuts(input.count, &random)
            let single = Array(1..<max(1, input.count))
            if let problem = bodyProblem(input, framing, readings: [cuts, single]) {
                Issue.record("\(index): \(problem)")
            }
        }
    }
}
