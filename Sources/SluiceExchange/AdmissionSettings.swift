import SluiceTime
import SluiceTraffic

/// Who a tenant is and what it may have.
package struct TenantSettings: Sendable, Equatable {
    /// The name of those whose key is not known; a tenant configured by this name sets what holds
    /// for them and has no keys.
    package static let anonymous = "anonymous"

    /// Name in metrics and log; unique.
    package var name: String
    /// Service relative to other tenants: 0.01 … 100.
    package var weight = 1.0
    /// SHA-256 of each of its API keys, 64 lower-case hexadecimal digits.
    package var keyHashes: [String] = []
    /// Class of requests that name none; nil: that of the gateway.
    package var defaultClass: String?
    /// The most urgent class its requests may have; nil: any.
    package var classMax: String?
    /// What it may have in a minute.
    package var quota = TenantQuota()

    package init(name: String) { self.name = name }
}

/// How a pool admits.
package struct PoolAdmissionSettings: Sendable, Equatable {
    /// Whether verdicts are carried out, only counted, or not sought.
    package var mode = AdmissionPolicy.Mode.enforce
    /// vLLM's `--max-num-seqs`: 1 … 65,536; nil: learned.
    package var slotsMax: Int?
    /// Gateways in front of the same replicas, this one included: 1 … 1,000; nil: unknown.
    package var gateways: Int?
    /// Whether nobody but this gateway sends to the replicas.
    package var isExclusive = false
    /// How long requests wait while no replica is up: 0 … 1 h.
    package var noReplicaWait = Nanoseconds.zero
    /// Status of refusals where capacity is contended: 429 or 503.
    package var overloadStatus = 429
    /// The field that names a conversation, lower-case.
    package var sessionHeader = "x-session-id"

    package init() {}
}

extension GatewaySettings {
    /// Index of ``defaultClass``; 0 where there is no such class, which validation excludes.
    package var defaultClassIndex: Int {
        classes.firstIndex { $0.name == defaultClass } ?? 0
    }
}
