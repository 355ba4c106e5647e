/// Why a replica was picked; the `reason` label of `sluice_routing_decisions_total`.
package enum RoutingReason: UInt8, CaseIterable, Sendable {
    /// Least of several; the only open one; pool in panic; not the first attempt.
    case leastLoaded, onlyChoice, panic, retry
    /// It made the response that the request is about.
    case owner
    /// The first token is predicted soonest there.
    case leastWait
    /// What others like it left in the replica's prefix cache.
    case affinity

    /// The metric label.
    package var label: StaticString {
        switch self {
        case .leastLoaded: "least_loaded"
        case .onlyChoice: "only_choice"
        case .panic: "panic"
        case .retry: "retry"
        case .owner: "owner"
        case .leastWait: "least_wait"
        case .affinity: "affinity"
        }
    }
}
