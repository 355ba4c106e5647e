import Foundation
import FuzzTestSupport
import Testing

private let corpus = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Corpus")

/// What `make fuzz` begins with, and what it has found.
@Suite struct `The corpus of the fuzzer` {
    @Test(arguments: FuzzTarget.allCases) func `breaks no rule of its target`(
        _ target: FuzzTarget
    ) throws {
        let files = try FileManager.default.contentsOfDirectory(
            at: corpus.appending(path: target.rawValue), includingPropertiesForKeys: nil)
        #expect(!files.isEmpty)
        for file in files {
            let problem = target.problem([UInt8](try Data(contentsOf: file)))
            #expect(problem == nil, "\(file.lastPathComponent)")
        }
    }
}
