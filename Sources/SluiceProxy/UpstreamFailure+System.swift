import Glibc
import SluiceExchange
import SluiceReactor
import SluiceTelemetry
import SluiceTraffic

extension UpstreamFailure {
    /// What a failed connect(2) means.
    init(connect error: SystemError) {
        self =
            switch error.code {
            case ECONNREFUSED: .connectRefused
            case ETIMEDOUT: .connectTimeout
            default: .connectFailed
            }
    }

    /// The retry rule's word for it.
    var attempt: AttemptFailure {
        switch self {
        case .connectRefused, .connectTimeout, .connectFailed, .tlsFailed, .spokeFirst:
            .connectFailed
        case .closedEarly, .reset: .connectionLost
        case .malformed, .errorEvent: .malformedAnswer
        case .firstContentTimeout, .idleTimeout: .timedOut
        case .engineRefused: .refusedByEngine
        }
    }

    /// The metrics' word for what was waited for.
    var stage: UpstreamStage {
        switch self {
        case .connectRefused, .connectTimeout, .connectFailed, .tlsFailed, .spokeFirst: .connect
        case .firstContentTimeout: .firstToken
        case .idleTimeout: .idle
        case .closedEarly, .reset, .malformed, .engineRefused, .errorEvent: .head
        }
    }
}
