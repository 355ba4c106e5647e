import SluiceExchange
import SluiceReactor
import SluiceTime
import SluiceTraffic

/// What tenants may have in a minute, asked before any pool is.
extension Worker {
    /// Takes the request out of its tenant's quota; how long to wait where that is spent.
    @inline(never) func withdrawQuota(_ e: UInt32) -> Nanoseconds? {
        let charged = max(0, exchanges[e].record.promptTokensEstimated)
        let wait = directory.value.callers.quotas?.withdraw(
            tenant: exchanges[e].arrival.tenantIndex, tokens: Int(charged), now: now,
            random: &random.value)
        if wait == nil { exchanges[e].quotaTokens = charged }
        return wait
    }

    /// How long to wait where the quota is spent, whatever the request's body says.
    func quotaWait(_ e: UInt32) -> Nanoseconds? {
        directory.value.callers.quotas?.wait(
            tenant: exchanges[e].arrival.tenantIndex, now: now, random: &random.value)
    }

    /// The request has ended: what it used is known now, or was never used.
    @inline(never) func settleQuota(_ e: UInt32) {
        let charged = Int(exchanges[e].quotaTokens)
        exchanges[e].quotaTokens = -1
        guard let quotas = directory.value.callers.quotas else { return }
        let tenant = exchanges[e].arrival.tenantIndex
        guard exchanges[e].record.admitted.isSet else {
            quotas.giveBack(tenant: tenant, charged: charged, now: now)
            return
        }
        let prompt = exchanges[e].record.promptTokens
        let output = exchanges[e].record.generationTokens
        let used =
            (prompt >= 0 ? Int(prompt) : charged)
            + (output >= 0 ? Int(output) : Int(exchanges[e].record.contentEvents))
        quotas.settle(tenant: tenant, charged: charged, used: used, now: now)
    }
}
