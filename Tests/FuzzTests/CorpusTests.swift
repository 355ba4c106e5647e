import Foundation
import FuzzTestSupport
import Testing

private let corpus = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Corpus")

/// What `make fuzz` begins with: inputs that are its first or broke a rule once, each a file with a name,
/// and small ones that reach each edge of the code that it has reached, lines in base64.
@Suite struct `The corpus of the fuzzer` {
    @Test(arguments: FuzzTarget.allCases) func `breaks no rule of its target`(
        _ target: FuzzTarget
    ) throws {
        let files = try FileManager.default.contentsOfDirectory(
            at: corpus.appending(path: target.rawValue), includingPropertiesForKeys: nil)
        var inputs = try files.map { (name: $0.lastPathComponent, bytes: try Data(contentsOf: $0)) }
        #expect(!inputs.isEmpty)
        let found = try String(
            contentsOf: corpus.appending(path: target.rawValue + ".base64"), encoding: .utf8)
        for line in found.split(separator: "\n") {
            inputs.append((String(line), try #require(Data(base64Encoded: String(line)))))
        }
        for input in inputs {
            #expect(target.problem([UInt8](input.bytes)) == nil, "\(input.name)")
        }
    }
}
