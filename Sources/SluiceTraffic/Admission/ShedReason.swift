/// Why a request was refused; equal to metric label and `x-sluice-reason`. Source:
/// docs/operating.md, *Every `x-sluice-reason`*.
package enum ShedReason: UInt8, CaseIterable, Sendable {
    /// The predicted wait is beyond the objective.
    case overload
    /// The prompt alone takes longer than the objective: a retry cannot help.
    case infeasible
    /// The wait queue is at its bound.
    case full
    /// Waited as long as our own bound allows.
    case expired
    /// Waited until the caller's own deadline.
    case deadline
    /// No replica is there that could serve it.
    case noReplica
    /// The pool is going away.
    case draining

    /// The metric label and header value.
    package var label: StaticString {
        switch self {
        case .overload: "overload"
        case .infeasible: "infeasible"
        case .full: "full"
        case .expired: "expired"
        case .deadline: "deadline"
        case .noReplica: "no_replica"
        case .draining: "draining"
        }
    }

    /// The status it is answered with: 429 where capacity is contended, 503 where none is.
    package var status: Int {
        switch self {
        case .overload, .infeasible, .full, .expired: 429
        case .deadline: 504
        case .noReplica, .draining: 503
        }
    }
}
