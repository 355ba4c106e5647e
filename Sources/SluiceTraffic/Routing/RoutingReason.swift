/// Why a replica was picked; the `reason` label of `sluice_routing_decisions_total`.
package enum RoutingReason: UInt8, CaseIterable, Sendable {
    case leastLoaded, onlyChoice, panic, retry

    /// The metric label.
    package var label: StaticString {
        switch self {
        case .leastLoaded: "least_loaded"
        case .onlyChoice: "only_choice"
        case .panic: "panic"
        case .retry: "retry"
        }
    }
}
