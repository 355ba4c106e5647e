import SluiceTime

/// The policies that a scenario can be run with, by the names of the command line.
package enum PolicyKind: String, CaseIterable, Sendable {
    /// The gateway's own admission and routing.
    case sluice
    case roundRobin = "round-robin"
    case leastScraped = "least-scraped"
    case leastInFlight = "least-in-flight"
    /// By the prompt's prefix alone, wherever that leads.
    case prefixHash = "prefix-hash"
    /// First in, first out behind a window of the told slots; too late is dropped.
    case deadlineQueue = "deadline-queue"
    /// The same window, nobody waits.
    case staticLimit = "static-limit"
    /// The same window, controlled delay.
    case controlledDelay = "codel"

    /// One gateway of this kind.
    package func make(_ context: PolicyContext) -> any GatewayPolicy {
        let window = context.slots ?? Study.slots
        switch self {
        case .sluice:
            return SluicePolicy(context)
        case .roundRobin:
            return ImmediatePolicy(.roundRobin, context)
        case .leastScraped:
            return ImmediatePolicy(.leastScraped, context)
        case .leastInFlight:
            return ImmediatePolicy(.leastScrapedAndOwn, context)
        case .prefixHash:
            return ImmediatePolicy(.prefixHash, context)
        case .deadlineQueue:
            return WindowPolicy(
                .deadlineDrop(step: WindowPolicy.fullStep), window: window, context)
        case .staticLimit:
            return WindowPolicy(.refuse, window: window, context)
        case .controlledDelay:
            return WindowPolicy(
                .controlledDelay(target: .milliseconds(500), interval: .seconds(1)),
                window: window, context)
        }
    }
}
