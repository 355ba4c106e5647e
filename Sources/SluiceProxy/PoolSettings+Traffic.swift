import SluiceExchange
import SluiceTraffic

extension GatewaySettings {
    /// Who may enter a pool.
    func admissionPolicy(for pool: PoolSettings) -> AdmissionPolicy { AdmissionPolicy() }
}

extension PoolSettings {
    /// The bounds that the pool's gate enforces.
    var admissionLimits: AdmissionLimits {
        var limits = AdmissionLimits()
        limits.queueLengthMax = queueLengthMax
        limits.queueBytesMax = queueBytesMax
        limits.queueWaitMax = queueWaitMax
        limits.replicaInflightMax = replicaInflightMax
        return limits
    }

    /// The rules of its replicas' health.
    var healthSettings: HealthSettings {
        var health = HealthSettings()
        health.wedgedAfter = wedgedAfter
        health.scrapeInterval = scrapeInterval
        return health
    }
}
