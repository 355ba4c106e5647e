import HTTPTestSupport
import SluiceBytes
import SluiceHTTP
import SluiceTelemetry
import SluiceVLLM

/// What a stream's events were.
private struct EventsRead: Equatable {
    var kinds: [EventKind] = []
    /// After each event.
    var usages: [TokenUsage] = []
}

/// One route of each shape that events have.
private let routes: [Route] = [
    .chatCompletions, .responses, .messages, .audioTranscriptions, .embeddings,
]

/// Events end in one place and are of one kind at every cut, known by their like or read in full.
func eventsProblem(_ input: [UInt8], readings: [[Int]]) -> String? {
    if let problem = eventEndsProblem(input, readings: readings) { return problem }
    for route in routes {
        let whole = eventsInFull(input, route)
        let known = eventsByLikeness(input, route)
        if known != whole { return "\(route): \(whole) but \(known) by their like" }
        for cuts in readings {
            let cut = eventsAsTheyCome(input, route, cuts)
            if cut != whole { return "\(route): \(whole) but \(cut) cut at \(cuts)" }
        }
    }
    for cuts in readings {
        let (whole, cut) = (
            responseID(input, [], isStream: true), responseID(input, cuts, isStream: true)
        )
        if cut != whole { return "id \(whole) but \(cut) cut at \(cuts)" }
    }
    return nil
}

/// Each event in one piece, by a reader that learns nothing.
private func eventsInFull(_ input: [UInt8], _ route: Route) -> EventsRead {
    eventsInPieces(input, route) { classifier, event in
        classifier.feed(event)
        return classifier.endOfEvent()
    }
}

/// Each event in one piece; those that are another but for its text are not read.
private func eventsByLikeness(_ input: [UInt8], _ route: Route) -> EventsRead {
    eventsInPieces(input, route) { classifier, event in classifier.take(event) }
}

private func eventsInPieces(
    _ input: [UInt8], _ route: Route, read: (inout EventClassifier, Span<UInt8>) -> EventKind
) -> EventsRead {
    var classifier = EventClassifier(route: route)
    var events = EventsRead()
    // What follows the last event is none.
    for event in pieces(input, eventEnds(input)).dropLast() {
        events.kinds.append(read(&classifier, event.span))
        events.usages.append(classifier.usage)
    }
    return events
}

/// As a gateway does: whatever of an event is there.
private func eventsAsTheyCome(_ input: [UInt8], _ route: Route, _ cuts: [Int]) -> EventsRead {
    var scanner = EventStreamScanner()
    var classifier = EventClassifier(route: .embeddings)
    classifier.restart(route: route)
    var events = EventsRead()
    for piece in pieces(input, cuts) {
        let bytes = piece.span
        var offset = 0
        while case .event(let end) = scanner.next(bytes, in: offset..<bytes.count) {
            classifier.feed(bytes.extracting(offset..<end))
            events.kinds.append(classifier.endOfEvent())
            events.usages.append(classifier.usage)
            offset = end
        }
        classifier.feed(bytes.extracting(offset..<bytes.count))
    }
    return events
}

/// The id of a response, and whether the search for it was over.
func responseID(_ input: [UInt8], _ cuts: [Int], isStream: Bool) -> [UInt8] {
    var peek = ResponseIDPeek(isStream: isStream)
    for piece in pieces(input, cuts) where !peek.isOver { peek.feed(piece.span) }
    return peek.id.indices.map { peek.id[$0] }
}
