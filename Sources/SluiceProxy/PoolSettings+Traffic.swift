import SluiceExchange
import SluiceTraffic

extension PoolSettings {
    /// The bounds that the pool's gate enforces.
    package var admissionLimits: AdmissionLimits {
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

extension GatewaySettings {
    /// Who may enter a pool of a gateway that has just started.
    package func admissionPolicy(for pool: PoolSettings) -> AdmissionPolicy {
        admissionPolicy(for: pool, tenants: TenantTable(tenants))
    }

    /// Who may enter a pool.
    ///
    /// - Parameter tenants: the numbers that arrivals have.
    func admissionPolicy(for pool: PoolSettings, tenants: TenantTable) -> AdmissionPolicy {
        var policy = AdmissionPolicy()
        policy.mode = pool.admission.mode
        policy.classes = classes
        policy.tenants = tenants.policies
        policy.slotsMax = pool.admission.slotsMax
        policy.gateways = pool.admission.gateways
        policy.isExclusive = pool.admission.isExclusive
        policy.noReplicaWait = pool.admission.noReplicaWait
        return policy
    }
}
