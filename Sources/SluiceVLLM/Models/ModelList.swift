import SluiceBytes

/// Why an answer to `GET /v1/models` is none. The replica's fault, or that of what answers there.
package enum ModelListError: Error, Equatable, Sendable {
    /// Longer than ``ModelList/bytesMax``.
    case tooLarge
    /// Not JSON, or not whole.
    case notJSON
    /// JSON without an array `data` at the top: `metrics_url` or another service was asked.
    case notAList
}

/// What a replica serves, as it says itself.
///
/// Read with the module's own scanner: Foundation's reader recurses, and on Linux casts every 0 and
/// 1 to `Bool`. Source: vLLM, `ModelList` and `ModelCard`; OpenAI, "List models".
package struct ModelList: Equatable, Sendable {
    /// Bytes of an answer at most; a thousand adapters with long paths are half of it.
    package static let bytesMax = 1_048_576
    /// Entries kept at most; the rest is counted in ``skipped``.
    package static let modelsMax = 1_024

    /// The entries in the replica's order.
    package private(set) var models: [Model] = []
    /// Entries left out: without a usable `id`, with a name too long, or over the limit.
    package private(set) var skipped = 0

    /// Reads the body of an answer.
    package init(_ body: Span<UInt8>) throws(ModelListError) {
        guard body.count <= Self.bytesMax else { throw .tooLarge }
        var reader = ModelListReader()
        try reader.read(body)
        models = reader.models
        skipped = reader.skipped
    }

    /// Every model once, in the order of first mention.
    ///
    /// Where replicas differ the first speaks, except for the length: the smallest is what every
    /// replica takes.
    package static func union(_ lists: [[Model]]) -> [Model] {
        var result: [Model] = []
        var places: [String: Int] = [:]
        for model in lists.joined() {
            guard let place = places[model.id] else {
                places[model.id] = result.count
                result.append(model)
                continue
            }
            if let length = model.maxModelLength {
                result[place].maxModelLength = min(result[place].maxModelLength ?? length, length)
            }
        }
        return result
    }

    /// Writes the answer to `GET /v1/models` in vLLM's shape, which is OpenAI's with more members.
    ///
    /// `permission` is an empty list: vLLM fills it with constants and a random id per request.
    package static func write(_ models: [Model], into buffer: inout ByteBuffer) {
        buffer.append(#"{"object":"list","data":["#)
        for index in models.indices {
            if index > 0 { buffer.append(0x2C) }
            write(models[index], into: &buffer)
        }
        buffer.append("]}")
    }

    private static func write(_ model: Model, into buffer: inout ByteBuffer) {
        buffer.append(#"{"id":"#)
        writeText(model.id, into: &buffer)
        buffer.append(#","object":"model","created":"#)
        buffer.appendDecimal(model.created ?? 0)
        buffer.append(#","owned_by":"#)
        writeText(model.ownedBy ?? "vllm", into: &buffer)
        buffer.append(#","root":"#)
        writeText(model.root, into: &buffer)
        buffer.append(#","parent":"#)
        writeText(model.parent, into: &buffer)
        buffer.append(#","max_model_len":"#)
        if let length = model.maxModelLength {
            buffer.appendDecimal(length)
        } else {
            buffer.append("null")
        }
        buffer.append(#","permission":[]}"#)
    }

    private static func writeText(_ text: String?, into buffer: inout ByteBuffer) {
        guard let text else { return buffer.append("null") }
        buffer.append(0x22)
        for byte in text.utf8 {
            if byte == 0x22 || byte == 0x5C {
                buffer.append(0x5C)
                buffer.append(byte)
            } else if byte < 0x20 {
                buffer.append(byte < 0x10 ? #"\u000"# : #"\u00"#)
                buffer.appendHex(Int(byte))
            } else {
                buffer.append(byte)
            }
        }
        buffer.append(0x22)
    }
}

/// The reading of one answer.
private struct ModelListReader: ~Copyable {
    var models: [Model] = []
    var skipped = 0

    private enum Member { case other, id, parent, root, maxModelLength, created, ownedBy }

    private var scanner = JSONScanner<256>()
    private var isDataNext = false
    /// Whether `data` has been seen as an array, and whether it is open.
    private var hasData = false
    private var isInData = false
    private var entry: Model?
    private var isEntryUsable = true
    private var member = Member.other

    mutating func read(_ body: Span<UInt8>) throws(ModelListError) {
        var offset = 0
        while true {
            switch scanner.next(body, from: offset) {
            case .token(let token, let end):
                take(token)
                offset = end
            case .end:
                guard hasData else { throw .notAList }
                return
            case .needMore:
                // Only a bare number can be whole here.
                throw scanner.finish() ? .notAList : .notJSON
            case .lineEnd, .failed: throw .notJSON
            }
        }
    }

    private mutating func take(_ token: JSONToken) {
        let depth = scanner.depth
        switch token {
        case .key:
            if depth == 1 { isDataNext = scanner.textEquals("data") }
            if depth == 3 { member = classifyKey() }
        case .arrayStart:
            guard depth == 2, isDataNext else { return }
            hasData = true
            isInData = true
        case .arrayEnd: if depth == 1 { isInData = false }
        case .objectStart: if depth == 3, isInData { begin() }
        case .objectEnd: if depth == 2, entry != nil { end() }
        case .string: if depth == 3, entry != nil { takeString() }
        case .number: if depth == 3, entry != nil { takeNumber() }
        case .true, .false, .null, .skipped: break
        }
    }

    private mutating func begin() {
        entry = Model(id: "")
        isEntryUsable = true
        member = .other
    }

    private mutating func end() {
        if let entry, isEntryUsable, !entry.id.isEmpty, models.count < ModelList.modelsMax {
            models.append(entry)
        } else {
            skipped += 1
        }
        entry = nil
    }

    private mutating func takeString() {
        let isCut = scanner.isTextCut
        switch member {
        // A cut name is another name; an adapter without its parent would pass for a base model.
        case .id: if isCut { isEntryUsable = false } else { entry?.id = scanner.text.text() }
        case .parent:
            if isCut { isEntryUsable = false } else { entry?.parent = scanner.text.text() }
        case .root: if !isCut { entry?.root = scanner.text.text() }
        case .ownedBy: if !isCut { entry?.ownedBy = scanner.text.text() }
        case .maxModelLength, .created, .other: break
        }
    }

    private mutating func takeNumber() {
        guard let value = scanner.integer, value >= 0 else { return }
        switch member {
        case .maxModelLength: entry?.maxModelLength = value
        case .created: entry?.created = value
        case .id, .parent, .root, .ownedBy, .other: break
        }
    }

    private func classifyKey() -> Member {
        if scanner.textEquals("id") { return .id }
        if scanner.textEquals("parent") { return .parent }
        if scanner.textEquals("root") { return .root }
        if scanner.textEquals("max_model_len") { return .maxModelLength }
        if scanner.textEquals("created") { return .created }
        return scanner.textEquals("owned_by") ? .ownedBy : .other
    }
}
