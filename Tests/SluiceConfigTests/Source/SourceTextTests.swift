import Foundation
import Testing

@testable import SluiceConfig

/// Places in texts that are no YAML, or no text.
@Suite struct SourceTextTests {
    @Test(arguments: [
        ("limits:\n  # ü\n  fields_max: ü\u{7}5\n", 3, 16, "U+0007"),
        ("# ü🙂e\u{301}\r\nlimits:\r\n  fields_max: \u{1}\r\n", 3, 15, "U+0001"),
        ("# x\n# y\u{85}listen: \u{7F}d", 3, 9, "U+007F"),
        ("\u{0}", 1, 1, "U+0000"),
    ])
    func `a control character is named with its own line and column`(
        text: String, line: Int, column: Int, scalar: String
    ) {
        let found = errors(text)
        #expect(found.issues.first?.origin == .file(name: "s.yaml", line: line, column: column))
        #expect(found.text.contains("control characters are not allowed (\(scalar))"))
        #expect(found.text.contains("    \(line) | "), "\(found.text)")
    }

    @Test func `a control character far down has the right line`() {
        // Past the first chunk that libYAML reads.
        let text = String(repeating: "# a line of forty characters, ü and all\n", count: 5_000)
        let found = onlyError(text + "listen: x\u{1B}\n")
        #expect(found.hasPrefix("s.yaml:5001:10: error: "), "\(found)")
    }

    @Test func `lines that end in CR LF are shown`() {
        let found = onlyError("limits:\r\n  fields_max: many\r\n\(pool)")
        #expect(found.contains("2 |   fields_max: many\n"), "\(found)")
    }

    @Test(arguments: [
        (Array("limits:\n  # caf".utf8) + [0xE9, 0x0A], 2, 8, "0xE9", "Latin-1"),
        (Array("# ü\r\nü".utf8) + [0xC3], 2, 2, "0xC3", "Latin-1"),
        ([0xFF, 0xFE, 0x61, 0x00], 1, 1, "0xFF", "UTF-16"),
        (Array("a\n\n".utf8) + [0xED, 0xA0, 0x80], 3, 1, "0xED", "Latin-1"),
    ])
    func `the first byte that is not UTF-8 is named with line and column`(
        bytes: [UInt8], line: Int, column: Int, byte: String, advice: String
    ) throws {
        let files = try TemporaryDirectory()
        var flags = ServeFlags()
        flags.config = "\(files.path)/s.yaml"
        try Data(bytes).write(to: URL(fileURLWithPath: "\(files.path)/s.yaml"))
        let found = #expect(throws: ConfigurationError.self) {
            try Configuration.load(flags: flags)
        }
        let text = found?.text ?? ""
        #expect(text.hasPrefix("\(files.path)/s.yaml:\(line):\(column): error: "), "\(text)")
        #expect(text.contains("the byte \(byte) is not UTF-8 text"), "\(text)")
        #expect(text.contains("    \(line) | ") && text.contains(advice), "\(text)")
    }

    @Test func `a byte order mark at the start is no error`() throws {
        let files = try TemporaryDirectory(["s.yaml": "\u{FEFF}workers: 1\n\(pool)"])
        var flags = ServeFlags()
        flags.config = "\(files.path)/s.yaml"
        #expect(try Configuration.load(flags: flags).settings.pools.count == 1)
    }
}
