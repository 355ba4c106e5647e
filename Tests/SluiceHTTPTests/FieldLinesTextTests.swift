import SluiceHTTP
import Testing

@Suite struct FieldLinesTextTests {
    private func read(_ text: String) throws(FieldLinesError) -> [String] {
        try FieldLinesText.read(text).map { "\($0)=\($1)" }
    }

    @Test func `names are lowered, values trimmed, comments and empty lines skipped`() throws {
        let text = "# key\n\nAuthorization:  Bearer a:b \r\n \t\nx-tenant:\tred\nx-empty:\n"
        #expect(try read(text) == ["authorization=Bearer a:b", "x-tenant=red", "x-empty="])
        #expect(try read("").isEmpty)
    }

    @Test(arguments: ["a", ": b", "a b: c", "a: \u{1}", "a: é", "a\u{0}: b"])
    func `what is no field is refused by its number`(line: String) {
        #expect(throws: FieldLinesError.badLine(2)) { try FieldLinesText.read("ok: yes\n" + line) }
    }

    @Test func `what frames the message is not for a file to say`() {
        for name in ["Host", "Content-Length", "content-type", "Transfer-Encoding", "connection"] {
            #expect(throws: FieldLinesError.reserved(name.lowercased())) {
                try FieldLinesText.read("\(name): x")
            }
        }
    }

    @Test func `as many lines as allowed, and one more`() throws {
        let line = "a: b\n"
        #expect(try read(String(repeating: line, count: 32)).count == 32)
        #expect(throws: FieldLinesError.tooMany) {
            try FieldLinesText.read(String(repeating: line, count: 33))
        }
    }
}
