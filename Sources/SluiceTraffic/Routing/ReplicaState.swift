import SluiceTime

/// What the router thinks of a replica. Source: docs/operating.md, *States of a replica*;
/// as `sluice_replica_state` spells it.
package enum ReplicaState: UInt8, CaseIterable, Sendable {
    /// New or returned: its window grows while it does well.
    case warming
    /// Serves within its in-flight bound.
    case ready
    /// No event on any of its streams for a while: nothing new goes there.
    case busy
    /// Busy for long, and its engine's heartbeat stands still.
    case wedged
    /// Removed by configuration or discovery: finishes what it has.
    case draining
    /// Taken out by an operator.
    case cordoned
    /// The engine sleeps (`vllm:engine_sleep_state`).
    case sleeping
    /// Failed several requests in a row: waits for a half-open probe.
    case ejected
    /// Answers 401: our key is wrong.
    case unauthorized
    /// Refuses connections, or its `/health` says 503.
    case dead

    /// The metric label.
    package var label: StaticString {
        switch self {
        case .warming: "warming"
        case .ready: "ready"
        case .busy: "busy"
        case .wedged: "wedged"
        case .draining: "draining"
        case .cordoned: "cordoned"
        case .sleeping: "sleeping"
        case .ejected: "ejected"
        case .unauthorized: "unauthorized"
        case .dead: "dead"
        }
    }

    /// Whether the router may send it a request in ordinary times.
    package var acceptsNewWork: Bool {
        switch self {
        case .warming, .ready: true
        case .busy, .wedged, .draining, .cordoned, .sleeping, .ejected, .unauthorized, .dead: false
        }
    }

    /// Whether it takes connections as far as we know: what a pool in panic routes to.
    package var acceptsConnections: Bool {
        switch self {
        case .warming, .ready, .busy, .wedged, .ejected: true
        case .draining, .cordoned, .sleeping, .unauthorized, .dead: false
        }
    }

    /// Whether requests that it has not begun may leave it.
    package var losesUnstarted: Bool { isTakenOutByUs }

    /// Whether it counts towards panic.
    var isTakenOutByUs: Bool {
        switch self {
        case .wedged, .ejected: true
        case .warming, .ready, .busy, .draining, .cordoned, .sleeping, .unauthorized, .dead: false
        }
    }
}
