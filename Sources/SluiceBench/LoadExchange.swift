import SluiceBytes
import SluiceEndpoint
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceVLLM

// One thread: the loop's.

/// One request of a load test, from its arrival to its end.
final class LoadExchange {
    /// When it was to be sent; every clock starts here.
    let arrival: Instant
    /// After so many content events its client leaves; nil is never.
    let abortsAfter: Int?
    let slot: Int
    var exchange: ClientExchange?

    private let streams: Bool
    private var status = 0
    private var reason: String?
    private var scanner = EventStreamScanner()
    private let classifier: Pinned<EventClassifier>
    private let usagePeek: Pinned<UsagePeek>
    private var isEventStream = false
    private var contentEvents = 0
    private var first = Instant.unset
    private var last = Instant.unset
    private var hasEnded = false
    private var hasError = false
    /// The beginning of an answer other than 200.
    private var refusal: [UInt8] = []

    /// Bytes of a refusal that are kept.
    static let refusalBytesMax = 240

    init(arrival: Instant, slot: Int, streams: Bool, abortsAfter: Int?) {
        self.arrival = arrival
        self.slot = slot
        self.streams = streams
        self.abortsAfter = abortsAfter
        classifier = Pinned(EventClassifier(route: .chatCompletions))
        usagePeek = Pinned(UsagePeek())
    }

    /// Whether the plan has the client leave now.
    var isToAbort: Bool { abortsAfter.map { contentEvents >= $0 } ?? false }

    func takeHead(_ status: Int, _ fields: [(name: String, value: String)]) {
        self.status = status
        reason = fields.first { $0.name == "x-sluice-reason" }.map { String($0.value.prefix(40)) }
        isEventStream =
            fields.first { $0.name == "content-type" }?.value.lowercased()
            .hasPrefix("text/event-stream") ?? false
    }

    /// Takes a part of the body.
    ///
    /// - Parameter gap: called with the time between this content event and the one before.
    func takeBody(
        _ bytes: Span<UInt8>, now: Instant, gap: (Nanoseconds) -> Void
    ) {
        guard status == 200 else {
            for index in 0..<min(bytes.count, Self.refusalBytesMax - refusal.count) {
                refusal.append(bytes[index])
            }
            return
        }
        guard isEventStream else {
            if !streams { usagePeek.value.feed(bytes) }
            return
        }
        var offset = 0
        while offset < bytes.count {
            switch scanner.next(bytes, in: offset..<bytes.count) {
            case .needMore:
                classifier.value.feed(bytes.extracting(offset..<bytes.count))
                return
            case .event(let end):
                classifier.value.feed(bytes.extracting(offset..<end))
                offset = end
                takeEvent(classifier.value.endOfEvent(), now, gap)
            }
        }
    }

    private func takeEvent(_ kind: EventKind, _ now: Instant, _ gap: (Nanoseconds) -> Void) {
        switch kind {
        case .content:
            contentEvents += 1
            if first.isSet { gap(now - last) } else { first = now }
            last = now
        case .terminal: hasEnded = true
        case .error: hasError = true
        case .prelude, .usage, .comment, .other: break
        }
    }

    /// The request is over.
    ///
    /// - Parameters:
    ///   - outcome: what the caller knows; nil where the answer came to its end, and this judges
    ///     whether it is whole.
    ///   - message: what the caller knows of a failure beyond its outcome.
    func finish(
        _ outcome: LoadOutcome?, message: String? = nil, now: Instant
    ) -> FinishedRequest {
        var finished = FinishedRequest()
        finished.outcome = outcome ?? verdict()
        if case .failed = finished.outcome { finished.message = message ?? refusalText }
        let usage = isEventStream ? classifier.value.usage : usagePeek.value.usage
        finished.promptTokens = max(0, Int(usage.prompt))
        finished.outputTokens = usage.completion >= 0 ? Int(usage.completion) : contentEvents
        if first.isSet { finished.timeToFirstToken = first - arrival }
        if case .failed(.status) = finished.outcome { finished.timeToRefusal = now - arrival }
        guard finished.outcome == .ok else { return finished }
        finished.total = now - arrival
        if first.isSet, finished.outputTokens > 1 {
            finished.timePerToken = (last - first) / Int64(finished.outputTokens - 1)
        }
        return finished
    }

    /// One line of the refusal's body; a peer's control characters must not reach a terminal.
    private var refusalText: String? {
        guard !refusal.isEmpty else { return nil }
        let text = String(decoding: refusal, as: UTF8.self).unicodeScalars.map { scalar in
            scalar.properties.generalCategory == .control ? " " : String(scalar)
        }.joined()
        return refusal.count == Self.refusalBytesMax ? text + " …" : text
    }

    private func verdict() -> LoadOutcome {
        guard status == 200 else { return .failed(.status(status, reason: reason)) }
        if hasError { return .failed(.errorEvent) }
        if streams, !hasEnded { return .failed(isEventStream ? .brokenStream : .malformed) }
        return .ok
    }
}

extension LoadFailure {
    /// What a failure of the client is to a load test.
    init(_ failure: ClientFailure) {
        switch failure {
        case .refused: self = .refused
        case .connect, .tls: self = .connect
        case .timeout: self = .timeout
        case .closed: self = .closed
        case .malformed: self = .malformed
        case .tooLarge: self = .tooLarge
        }
    }
}

extension ClientFailure {
    /// What its label does not say; nil where the label is enough.
    var detail: String? {
        switch self {
        case .connect, .tls, .malformed: sentence
        case .refused, .timeout, .closed, .tooLarge: nil
        }
    }
}
