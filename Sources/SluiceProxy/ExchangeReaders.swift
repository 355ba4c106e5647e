import SluiceHTTP
import SluiceTelemetry
import SluiceVLLM

// Owned by one worker; one per slot of its table of exchanges, which each tenant of the slot begins
// anew. They hold two kilobytes of text that need no clearing, and would be copied with an exchange
// that is made.

/// What reads the bodies of one exchange as they pass.
struct ExchangeReaders: ~Copyable {
    /// The request's model, size and limits.
    var peek = RequestPeek(route: .unknown)
    /// Where the answer's events end, and what each of them is.
    var events = EventStreamScanner()
    var classifier = EventClassifier(route: .unknown)
    /// The token counts of an answer that is no event stream.
    var usage = UsagePeek()

    /// Begins with another exchange.
    mutating func begin(_ route: Route) {
        peek.restart(route: route)
        beginAnswer(route)
    }

    /// Begins with another attempt's answer.
    mutating func beginAnswer(_ route: Route) {
        events = EventStreamScanner()
        classifier.restart(route: route)
        usage.restart()
    }
}
