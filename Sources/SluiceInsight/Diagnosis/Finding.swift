import SluiceTime

/// What a number is in.
package enum Unit: String, Sendable {
    case seconds = "s"
    case tokens
    case requests
    /// Of anything.
    case count
    case perSecond = "1/s"
    /// 0 … 1, shown in percent.
    case ratio
    case replicas
    case hertz = "Hz"
    case celsius = "°C"

    /// As people read it: "12 ms", "85 %", "3.1/s".
    package func text(_ value: Double) -> String {
        func rounded(_ value: Double) -> String {
            guard value.isFinite, abs(value) < 1e15 else { return "\(value)" }
            let size = abs(value)
            let digits = size >= 100 ? 1.0 : size >= 10 ? 10 : 100
            let short = (value * digits).rounded() / digits
            return short == short.rounded() ? "\(Int(short))" : "\(short)"
        }
        switch self {
        case .seconds:
            if abs(value) >= 120 { return rounded(value / 60) + " min" }
            return abs(value) < 1 ? rounded(value * 1_000) + " ms" : rounded(value) + " s"
        case .tokens: return rounded(value) + " tokens"
        case .requests, .count, .replicas: return rounded(value)
        case .perSecond: return rounded(value) + "/s"
        case .ratio: return rounded(value * 100) + " %"
        case .hertz: return rounded(value / 1e6) + " MHz"
        case .celsius: return rounded(value) + " °C"
        }
    }
}

/// One number that speaks for a cause.
package struct Evidence: Equatable, Sendable {
    /// What it is, in words an on-call engineer searches for.
    package let signal: String
    package let value: Double
    package let unit: Unit
    /// What it is held against, empty where it speaks for itself.
    package let comparison: String

    init(_ signal: String, _ value: Double, _ unit: Unit, _ comparison: String = "") {
        self.signal = signal
        self.value = value
        self.unit = unit
        self.comparison = comparison
    }

    /// "queue time 1.2 s (usual: 20 ms, learned over 12 min)".
    package var text: String {
        "\(signal) \(unit.text(value))" + (comparison.isEmpty ? "" : " (\(comparison))")
    }
}

/// How sure a finding is.
package enum Confidence: String, Sendable {
    /// Seen directly.
    case certain
    /// Several signals agree, beyond what has been learned to be usual.
    case likely
    /// By a cold default or a single signal.
    case possible
}

/// One cause, named, with what speaks for it.
package struct Finding: Sendable {
    package let cause: Cause
    package let pool: String
    /// Nil: the pool as a whole.
    package let replica: String?
    package let confidence: Confidence
    package let evidence: [Evidence]
    /// When it was named.
    package internal(set) var since = Instant.unset
    /// When its signature was last there; it is forgotten some seconds after that.
    package internal(set) var seen = Instant.unset

    init(
        _ cause: Cause, _ pool: String, replica: String? = nil, _ confidence: Confidence,
        _ evidence: [Evidence]
    ) {
        self.cause = cause
        self.pool = pool
        self.replica = replica
        self.confidence = confidence
        self.evidence = evidence
    }

    /// Which finding it is, whatever its numbers.
    struct Key: Hashable {
        let cause: Cause
        let pool: String
        let replica: String?
    }
    var key: Key { Key(cause: cause, pool: pool, replica: replica) }

    /// Whether the other one says of the same subject what this one is no longer right about.
    func isReplaced(by other: Finding) -> Bool {
        key != other.key && pool == other.pool && replica == other.replica
            && cause.excludesOthers && other.cause.excludesOthers
    }

    /// "replica gpu-b of pool llama: a slow replica".
    package var sentence: String {
        let whom = replica.map { "replica \($0) of pool \(pool)" } ?? "pool \(pool)"
        return "\(whom): \(cause.title)"
    }
}
