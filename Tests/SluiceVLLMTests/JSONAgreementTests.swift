import Foundation
import SluiceBytes
import SluiceTelemetry
import SluiceVLLM
import Testing

/// Bodies with a few bytes changed, deleted or doubled: two readers must agree on what is JSON, and
/// ours with itself however the body is cut.
@Suite struct JSONAgreementTests {
    private static let seeds = [
        #"{"model":"tiny","messages":[{"role":"user","content":"h\"i é 数 🙂 \u00e9\n"}],"stream":true}"#,
        #"{"a":[1,-2.5e+10,0,0.1,true,false,null,{"b":{}},[]],"max_tokens":12,"n":1,"x":"\\"}"#,
        #" {"prompt":[[1,2,3],[4]],"stream_options":{"include_usage":false},"text":"0123456789abcdef0123456789abcdef\u0041"} "#,
    ]

    /// Why the peek refused the body, where it is for its syntax.
    private static func syntaxError(_ body: [UInt8], cut: Int) -> Bool {
        var peek = RequestPeek(route: .embeddings)
        peek.feed(body.span.extracting(0..<cut))
        peek.feed(body.span.extracting(cut..<body.count))
        peek.finish()
        switch peek.error {
        case .notJSON, .empty, .truncated: return true
        case nil, .notAnObject, .repeatedKey, .wrongType, .null, .outOfRange: return false
        }
    }

    @Test(arguments: 0..<8) func `changed bodies are JSON for both readers or for neither`(
        seed: UInt64
    ) {
        var random = SplitMix64(seed: seed)
        for _ in 0..<400 {
            var body = Array(Self.seeds[Int(random.next() % 3)].utf8)
            for _ in 0...Int(random.next() % 2) {
                let place = Int(random.next() % UInt64(body.count))
                switch random.next() % 3 {
                case 0: body[place] = Self.bytes[Int(random.next() % UInt64(Self.bytes.count))]
                case 1: body.remove(at: place)
                default: body.insert(body[place], at: place)
                }
            }
            let isJSON = (try? JSONSerialization.jsonObject(with: Data(body))) != nil
            let text = String(decoding: body, as: UTF8.self)
            let whole = Self.syntaxError(body, cut: 0)
            // A refusal for what is said comes before the rest is read, so only one way is certain.
            // Foundation takes a comma before a closing bracket, RFC 8259 and Python do not.
            let isLax = text.contains(/,\s*[\]}]/)
            if isJSON && !isLax { #expect(!whole, "\(text)") }
            for cut in stride(from: 1, to: body.count, by: 1 + Int(random.next() % 7)) {
                #expect(Self.syntaxError(body, cut: cut) == whole, "cut at \(cut): \(text)")
            }
        }
    }

    private static let bytes: [UInt8] =
        Array(#""\{}[]:,0-.eEtfnu "#.utf8) + [0x00, 0x0A, 0x80, 0xC3]
}
