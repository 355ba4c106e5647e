import SluiceReactor

/// Why a request of ours got no answer.
package enum ClientFailure: Error, Equatable, Sendable {
    case refused
    case connect(SystemError)
    case timeout
    /// The connection ended before the answer did.
    case closed
    case malformed(String)
    case tooLarge
    case tls(TLSError)

    /// What happened, for a person.
    package var sentence: String {
        switch self {
        case .refused: "nobody listens there (connection refused)"
        case .connect(let error): "cannot connect: \(error.reason)"
        case .timeout: "no answer in time"
        case .closed: "the connection was closed before the answer was whole"
        case .malformed(let what): "the answer is not valid HTTP (\(what))"
        case .tls(let error): error.description
        case .tooLarge: "the answer is too large"
        }
    }
}
