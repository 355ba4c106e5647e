import SluiceExchange
import SluiceTraffic

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

    /// Who may enter the pool.
    ///
    /// - Parameters:
    ///   - classes: those of the gateway.
    ///   - tenants: by the index that arrivals have; the first is anonymous.
    func admissionPolicy(classes: [ClassPolicy], tenants: [TenantPolicy]) -> AdmissionPolicy {
        var policy = AdmissionPolicy()
        policy.mode = admission.mode
        policy.classes = classes
        policy.tenants = tenants
        policy.slotsMax = admission.slotsMax
        policy.gateways = admission.gateways
        policy.isExclusive = admission.isExclusive
        policy.noReplicaWait = admission.noReplicaWait
        return policy
    }
}
