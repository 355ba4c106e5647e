/// Where an exchange stands; only ``MetricShard/returned(_:)`` moves it back.
///
/// The same words in enum, metrics, docs and tests.
package enum Phase: UInt8, CaseIterable, Comparable, Sendable {
    case receiving, queued, connecting, relaying, finished

    /// The value of the label `phase`.
    package var label: StaticString {
        switch self {
        case .receiving: "receiving"
        case .queued: "queued"
        case .connecting: "connecting"
        case .relaying: "relaying"
        case .finished: "finished"
        }
    }

    package static func < (a: Phase, b: Phase) -> Bool { a.rawValue < b.rawValue }
}
