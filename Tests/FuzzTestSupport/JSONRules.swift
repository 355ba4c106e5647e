import HTTPTestSupport
import SluiceBytes
import SluiceTelemetry
import SluiceVLLM

/// What a peek made of a body.
private struct BodyRead: Equatable {
    var error: PeekError?
    var model: [UInt8]
    var facts: RequestFacts
    var outputTokensMax: Int?

    init(_ peek: inout RequestPeek) {
        error = peek.error
        model = peek.modelName.indices.map { peek.modelName[$0] }
        facts = peek.facts
        outputTokensMax = peek.outputTokensMax()
    }
}

/// Our reader takes what the grammar takes; a peek sees one thing at every cut, in full or by a body's
/// like; an edited body says what it said and what was added.
func requestBodyProblem(
    _ input: [UInt8], readings: [[Int]], _ random: inout SplitMix64
) -> String? {
    let isJSON = JSONGrammar.accepts(input)
    for cuts in [[]] + readings where isRead(input, cuts) != isJSON {
        return "\(isJSON ? "JSON that is refused" : "accepted, and no JSON"), cut at \(cuts)"
    }
    for route in [Route.chatCompletions, .completions, .responses] {
        let whole = read(input, [], route)
        for cuts in readings {
            let cut = read(input, cuts, route)
            if cut != whole { return "\(route): \(whole) but \(cut) cut at \(cuts)" }
        }
        if whole.error == nil, !isJSON { return "\(route): accepted, and no JSON" }
        let other = mutate(input, with: jsonPieces, &random)
        if let problem = likenessProblem(input, other, route) { return problem }
        if let problem = editProblem(input, route) { return problem }
    }
    return nil
}

private let jsonPieces: [[UInt8]] = [
    "\"", "\\", "\\u00e9", "\\\"", "é", "🙂", "{", "}", "[", "]", ",", ":", "null", "true", "0",
    "-1",
    "\"model\":\"a\",", "\"stream\":true,", "\n", "\u{0}", "text",
].map { Array($0.utf8) }

/// Whether the scanner takes a text for one JSON value.
private func isRead(_ input: [UInt8], _ cuts: [Int]) -> Bool {
    var scanner = JSONScanner<16>()
    for piece in pieces(input, cuts) {
        var offset = 0
        reading: while true {
            switch scanner.next(piece.span, from: offset) {
            case .token(_, let end): offset = end
            case .needMore, .end: break reading
            case .lineEnd, .failed: return false
            }
        }
    }
    return scanner.finish()
}

private func read(_ body: [UInt8], _ cuts: [Int], _ route: Route) -> BodyRead {
    var peek = RequestPeek(route: route)
    for piece in pieces(body, cuts) { peek.feed(piece.span) }
    peek.finish()
    return BodyRead(&peek)
}

private func read(_ body: [UInt8], _ route: Route, like template: inout RequestTemplate) -> BodyRead
{
    var peek = RequestPeek(route: .unknown)
    peek.restart(route: route)
    peek.feed(body.span, isLast: true, like: &template)
    peek.finish()
    return BodyRead(&peek)
}

/// Bodies that follow each other are read as each alone, known by their like or not.
private func likenessProblem(_ first: [UInt8], _ second: [UInt8], _ route: Route) -> String? {
    var shared = RequestTemplate()
    for body in [first, second, first, first] {
        var fresh = RequestTemplate()
        let alone = read(body, route, like: &fresh)
        let known = read(body, route, like: &shared)
        if known != alone {
            return
                "\(route): \(alone), and \(known) by its like, of \(String(decoding: body, as: UTF8.self))"
        }
    }
    return nil
}

/// What is put into a body is read there, and nothing else has changed.
private func editProblem(_ body: [UInt8], _ route: Route) -> String? {
    var peek = RequestPeek(route: route)
    peek.feed(body.span)
    peek.finish()
    guard peek.error == nil else { return nil }
    var edited = body
    if let edit = UsageInjection.edit(for: &peek) {
        edited = applying(edit, to: body)
        let again = read(edited, [], route)
        var now = RequestPeek(route: route)
        now.feed(edited.span)
        now.finish()
        let text = String(decoding: edited, as: UTF8.self)
        if again.error != nil || !again.facts.asksUsage || !JSONGrammar.accepts(edited) {
            return "\(route): asks for no usage after the edit: \(again) of \(text)"
        }
        if UsageInjection.edit(for: &now) != nil { return "\(route): to be edited twice: \(text)" }
        peek.edited(by: edit.text.utf8CodeUnitCount - edit.range.count, end: edit.range.upperBound)
        let moved = peek.facts
        let same =
            moved.priority == again.facts.priority && moved.opening == again.facts.opening
            && moved.previousResponse == again.facts.previousResponse
            && moved.promptBytes == again.facts.promptBytes
            && moved.promptTokens == again.facts.promptTokens
            && moved.sequences == again.facts.sequences
        if !same { return "\(route): \(moved) after the edit, but \(again) of \(text)" }
    }
    for priority in [3, 5] {
        guard let edit = PriorityInjection.edit(for: &peek, body: edited.span, priority: priority)
        else { return nil }
        let prior = applying(edit, to: edited)
        let facts = read(prior, [], route)
        let text = String(decoding: prior, as: UTF8.self)
        if facts.error != nil || !JSONGrammar.accepts(prior) {
            return "\(route): refused with a priority: \(facts) of \(text)"
        }
        let site = Int(facts.facts.priority.lowerBound)..<Int(facts.facts.priority.upperBound)
        if !prior[site].elementsEqual(String(priority).utf8) {
            return "\(route): priority \(priority) is not what stands at \(site) of \(text)"
        }
    }
    return nil
}

private func applying(_ edit: UsageInjection.Edit, to body: [UInt8]) -> [UInt8] {
    var edited = body
    edited.replaceSubrange(edit.range, with: edit.text.description.utf8)
    return edited
}

/// An answer has one usage and one id at every cut; of JSON also from its end.
func answerProblem(_ input: [UInt8], readings: [[Int]]) -> String? {
    let whole = usage(input, [])
    let id = responseID(input, [], isStream: false)
    for cuts in readings {
        let cut = usage(input, cuts)
        if cut != whole { return "\(whole) but \(cut) cut at \(cuts)" }
        let cutID = responseID(input, cuts, isStream: false)
        if cutID != id { return "id \(id) but \(cutID) cut at \(cuts)" }
    }
    var peek = UsagePeek()
    peek.feed(input.span, isLast: true)
    if peek.usage != whole, JSONGrammar.accepts(input) {
        return "\(whole) but \(peek.usage) from its end"
    }
    return nil
}

private func usage(_ input: [UInt8], _ cuts: [Int]) -> TokenUsage {
    var peek = UsagePeek()
    for piece in pieces(input, cuts) { peek.feed(piece.span) }
    return peek.usage
}

/// A form names one model at every cut.
func multipartProblem(_ input: [UInt8], readings: [[Int]]) -> String? {
    let line = input.firstIndex(of: 0x0A) ?? input.endIndex
    let given = Array(input[..<line])
    let usual = Array("multipart/form-data; boundary=b".utf8)
    let body = Array(input[min(line + 1, input.endIndex)...])
    for type in [given, usual] {
        guard let whole = model(body, [], type) else { continue }
        for cuts in readings.map({ $0.filter { $0 < body.count } }) {
            let cut = model(body, cuts, type)
            if cut != whole { return "\(whole) but \(String(describing: cut)) cut at \(cuts)" }
        }
        if whole.error != nil { continue }
        if let model = whole.model, model.isEmpty || model.count > 256 { return "model \(model)" }
    }
    return nil
}

private struct FormRead: Equatable {
    var model: [UInt8]?
    var error: PeekError?
    var isOver: Bool
}

private func model(_ body: [UInt8], _ cuts: [Int], _ type: [UInt8]) -> FormRead? {
    guard var peek = MultipartPeek(contentType: type.span) else { return nil }
    for piece in pieces(body, cuts) { peek.feed(piece.span) }
    let model = peek.model.map { text in text.bytes.indices.map { text.bytes[$0] } }
    return FormRead(model: model, error: peek.error, isOver: peek.isOver)
}

/// A list of models that is written reads as what was written.
func modelsProblem(_ input: [UInt8]) -> String? {
    if let reply = VersionReply(input.span), reply.version.utf8.count > 256 {
        return "a version of \(reply.version.utf8.count) bytes"
    }
    guard let list = try? ModelList(input.span) else { return nil }
    // Half a surrogate pair, three bytes when it is kept, is three replacement characters in a String:
    // such a name may be longer than what is read again. It is no model's.
    let texts = list.models.flatMap { [$0.id, $0.parent, $0.root, $0.ownedBy] }
    if texts.contains(where: { $0?.contains("\u{FFFD}") == true }) { return nil }
    var first = ByteBuffer()
    var second = ByteBuffer()
    ModelList.write(list.models, into: &first)
    guard let again = try? ModelList(first.bytes) else { return "what was written is refused" }
    ModelList.write(again.models, into: &second)
    let same =
        again.models.map(\.id) == list.models.map(\.id)
        && again.models.map(\.parent) == list.models.map(\.parent)
        && again.models.map(\.root) == list.models.map(\.root)
        && first.array() == second.array() && again.skipped == 0
    return same ? nil : "\(list) became \(again)"
}
