import SluiceBytes
import SluiceTelemetry

/// Finds the part named `model` of a form as it is uploaded: one pass, fixed state, any cut.
///
/// Audio routes carry the model in such a part. The whole body is searched, at about an instruction
/// a byte, for a second one: vLLM takes the last, so a form with two is refused as repeated keys of
/// JSON are. Where the form is not well formed the model is absent, even if it was found before.
/// Source: RFC 7578 §4, RFC 2046 §5.1.
package struct MultipartPeek: Sendable {
    /// Bytes of a header line of a part that are read; a longer line names no model.
    static let lineBytesMax = 256

    private enum State: UInt8 {
        /// Before the first delimiter, in another part, or in the part we want.
        case skip, value
        /// Behind a delimiter: the first byte, the second `-`, blanks, the line feed.
        case delimited, dash, padding, delimiterFeed
        /// In a header of a part: its line, and the line feed behind it.
        case line, lineFeed
        /// Behind the last delimiter; and where the form is not well formed.
        case over, malformed
    }

    private var state = State.skip
    private let boundary: MultipartBoundary
    /// Bytes of the delimiter seen; the first delimiter may stand at the very start.
    private var matched = 2
    private var line = InlineText<256>()
    private var isLineCut = false
    private var hasDisposition = false
    private var isModel = false
    private var text = InlineText<256>()
    private var isTextCut = false
    private var isFound = false
    private var sawModel = false
    private var isRepeated = false

    /// Reads the boundary from a Content-Type's value.
    ///
    /// - Returns: nil unless it is `multipart/form-data` with one boundary of 1 … 70 bytes.
    package init?(contentType: Span<UInt8>) {
        guard let boundary = MultipartBoundary(contentType: contentType) else { return nil }
        self.boundary = boundary
    }

    /// The model, once its part has been read whole; nil before, and if there is none.
    ///
    /// Never empty, and never longer than 256 bytes: such a part counts as absent.
    package var model: InlineText<256>? { isFound && state != .malformed ? text : nil }
    /// A second part named `model`; files do not count.
    package var error: PeekError? { isRepeated ? .repeatedKey(.model) : nil }
    /// Whether further bytes cannot change ``model`` and ``error``.
    package var isOver: Bool { state == .over || state == .malformed }

    /// Takes the next bytes of the body, without its framing.
    package mutating func feed(_ bytes: Span<UInt8>) {
        let end = bytes.count
        var index = 0
        while index < end, !isOver {
            if state == .skip, matched == 0 {
                // Only a carriage return can begin a delimiter.
                index = bytes.firstIndex(of: 0x0D, from: index, to: end)
                if index == end { break }
            }
            take(bytes[index])
            index &+= 1
        }
    }

    private mutating func take(_ byte: UInt8) {
        switch state {
        case .skip, .value: takeContent(byte)
        case .delimited:
            if byte == 0x2D { state = .dash } else { takePadding(byte) }
        // Behind the last delimiter is an epilogue, which has no parts.
        case .dash: state = byte == 0x2D ? .over : .malformed
        case .padding: takePadding(byte)
        case .delimiterFeed:
            guard byte == 0x0A else { return state = .malformed }
            beginPart()
        case .line: takeLine(byte)
        case .lineFeed:
            guard byte == 0x0A else { return state = .malformed }
            endLine()
        case .over, .malformed: break
        }
    }

    // MARK: Content and delimiters

    private mutating func takeContent(_ byte: UInt8) {
        if byte == boundary[matched] {
            matched &+= 1
            if matched == boundary.count { endPart() }
            return
        }
        // The delimiter's first byte does not occur again in it: what matched so far was content.
        if state == .value {
            for index in 0..<matched { keep(boundary[index]) }
        }
        matched = byte == 0x0D ? 1 : 0
        if matched == 0, state == .value { keep(byte) }
    }

    private mutating func keep(_ byte: UInt8) {
        if text.count == 256 { isTextCut = true }
        text.append(byte)
    }

    private mutating func endPart() {
        matched = 0
        guard state == .value else { return state = .delimited }
        isFound = !isTextCut && !text.isEmpty
        state = .delimited
    }

    private mutating func takePadding(_ byte: UInt8) {
        switch byte {
        case 0x20, 0x09: state = .padding
        case 0x0D: state = .delimiterFeed
        // A line that only begins like a delimiter: readers differ on what it is.
        default: state = .malformed
        }
    }

    // MARK: Headers of a part

    private mutating func beginPart() {
        hasDisposition = false
        isModel = false
        beginLine()
    }

    private mutating func beginLine() {
        state = .line
        line.removeAll()
        isLineCut = false
    }

    private mutating func takeLine(_ byte: UInt8) {
        switch byte {
        case 0x0D: state = .lineFeed
        // A bare line feed ends the line for some readers; NUL ends it for others.
        case 0x0A, 0x00: state = .malformed
        default:
            if line.count == Self.lineBytesMax { isLineCut = true }
            line.append(byte)
        }
    }

    private mutating func endLine() {
        if line.isEmpty {
            // A part of a form always says what it is called.
            guard hasDisposition else { return state = .malformed }
            if isModel {
                if sawModel { isRepeated = true }
                state = sawModel ? .over : .value
                sawModel = true
            } else {
                state = .skip
            }
            // An empty part has its own line end before the delimiter, as vLLM's reader wants it.
            matched = 0
            return
        }
        let first = line.bytes[0]
        // A folded line: obsolete, and not read alike.
        guard first != 0x20, first != 0x09 else { return state = .malformed }
        guard takeField() else { return state = .malformed }
        beginLine()
    }

    /// Reads a header; false if the form is not well formed.
    private mutating func takeField() -> Bool {
        let field = line.bytes
        let colon = field.firstIndex(of: 0x3A, from: 0, to: field.count)
        guard colon > 0, colon < field.count else { return isLineCut && colon > 0 }
        guard field.equalsIgnoringCase("content-disposition", in: 0..<colon) else { return true }
        guard !hasDisposition else { return false }
        var isNamedModel = false
        // Cut: a long file name, so it is a file. Its name is not needed.
        if !isLineCut {
            guard let verdict = Self.namesModel(field, from: colon &+ 1) else { return false }
            isNamedModel = verdict
        }
        hasDisposition = true
        isModel = isNamedModel
        return true
    }

    /// Whether a Content-Disposition is that of a plain part named `model`; nil if it is malformed.
    private static func namesModel(_ field: Span<UInt8>, from start: Int) -> Bool? {
        var index = start
        while index < field.count, field[index] == 0x20 || field[index] == 0x09 { index &+= 1 }
        let end = index &+ 9
        guard end <= field.count, field.equalsIgnoringCase("form-data", in: index..<end) else {
            return nil
        }
        var parameters = FieldParameters(from: end)
        var isModel = false
        var hasName = false
        var isFile = false
        while true {
            switch parameters.next(field) {
            case .parameter(let name, let value, _):
                if field.equalsIgnoringCase("name", in: name) {
                    guard !hasName else { return nil }
                    hasName = true
                    isModel = field.equals("model", in: value)
                } else if field.equalsIgnoringCase("filename", in: name)
                    || field.equalsIgnoringCase("filename*", in: name)
                {
                    isFile = true
                } else if field.hasBytes("*", at: name.upperBound &- 1) {
                    // A name in the extended notation, which not every reader decodes. RFC 7578 §4.2.
                    return nil
                }
            case .end: return hasName ? isModel && !isFile : nil
            case .malformed: return nil
            }
        }
    }
}
