/// Lines and places of a text, counted as libYAML counts them: from 1, columns in Unicode scalars.
enum SourceText {
    /// A line and a column.
    struct Place: Hashable {
        var line: Int
        var column: Int
    }

    /// The lines without their ends, which may be LF, CR LF, CR, NEL, LS or PS.
    static func lines(of text: String) -> [Substring] {
        // Not split(separator: "\n"): to Swift CR LF is one character and another than LF. Vertical tab
        // and form feed end lines for Swift alone.
        text.split(omittingEmptySubsequences: false) {
            $0.isNewline && $0 != "\u{B}" && $0 != "\u{C}"
        }
    }

    /// The place of what begins at the index.
    static func place(of index: String.Index, in text: String) -> Place {
        let before = lines(of: String(text[..<index]))
        return Place(line: before.count, column: (before.last?.unicodeScalars.count ?? 0) + 1)
    }

    /// The text of the bytes, or what to say of the first of them that is not UTF-8.
    static func decode(_ content: [UInt8], name: String) throws(ConfigurationError) -> String {
        // libYAML takes a byte order mark for a column: the second key would be indented less.
        let hasMark = content.starts(with: [0xEF, 0xBB, 0xBF])
        let bytes = Array(content.dropFirst(hasMark ? 3 : 0))
        let fault: Int
        do throws(UTF8.ValidationError) {
            return String(copying: try UTF8Span(validating: bytes.span))
        } catch {
            fault = error.byteOffsets.lowerBound
        }
        let before = String(decoding: bytes[..<fault], as: UTF8.self)
        let place = place(of: before.endIndex, in: before)
        let isUTF16 = bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF])
        let digits = String(bytes[fault], radix: 16, uppercase: true)
        var error = ConfigurationError(
            ConfigurationIssue(
                .file(name: name, line: place.line, column: place.column), "",
                "the byte 0x\(digits) is not UTF-8 text",
                advice: isUTF16
                    ? "The file looks like UTF-16: save it as UTF-8."
                    : "Is the file Latin-1 or Windows-1252? Save it as UTF-8."))
        error.lines = lines(of: String(decoding: bytes, as: UTF8.self))
        throw error
    }
}
