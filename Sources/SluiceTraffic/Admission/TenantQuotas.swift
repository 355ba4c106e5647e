import SluiceBytes
import SluiceTime

// Shared by workers and the control thread; one short lock, taken only for requests of tenants that
// have a quota.

/// What a tenant may have in a minute; nil: as much as it gets.
package struct TenantQuota: Sendable, Equatable {
    /// Requests that are let in.
    package var requestsPerMinute: Int?
    /// Tokens of prompts and answers together.
    package var tokensPerMinute: Int?

    package init(requestsPerMinute: Int? = nil, tokensPerMinute: Int? = nil) {
        self.requestsPerMinute = requestsPerMinute
        self.tokensPerMinute = tokensPerMinute
    }

    /// Whether anything is bounded.
    package var isBounded: Bool { requestsPerMinute != nil || tokensPerMinute != nil }
}

/// Quotas of tenants: two buckets each, which hold what a minute brings and fill all the time.
///
/// A request takes its prompt's estimated tokens when it comes and the rest when it ends, so that a
/// bucket may be in debt, which is paid before anybody is let in again. Every gateway counts for
/// itself.
package final class TenantQuotas: Sendable {
    /// Debt at most, in minutes of the quota: what a mistaken count could cost a tenant.
    static let debtMinutesMax = 60.0

    /// One bucket.
    private struct Bucket {
        /// Nil: not bounded.
        var perMinute: Double?
        /// Left in it; at most ``perMinute``, negative in debt.
        var level = 0.0

        mutating func adopt(_ limit: Int?) {
            let new = limit.map { Double(max(1, $0)) }
            // One that is new begins full.
            level = perMinute == nil ? new ?? 0 : min(level, new ?? 0)
            perMinute = new
        }

        mutating func fill(minutes: Double) {
            guard let perMinute else { return }
            level = min(perMinute, level + minutes * perMinute)
        }

        /// Minutes until so much may be taken; a want beyond the bucket's size needs it full.
        func wait(for amount: Double) -> Double {
            guard let perMinute else { return 0 }
            // A millionth for what binary fractions of a minute leave out.
            return max(0, (min(amount, perMinute) - level - 1e-6) / perMinute)
        }

        mutating func take(_ amount: Double) {
            guard let perMinute else { return }
            let debtMax = -TenantQuotas.debtMinutesMax * perMinute
            level = min(perMinute, max(debtMax, level - amount))
        }
    }

    private struct Account {
        var requests = Bucket()
        var tokens = Bucket()
        var filled = Instant.unset

        mutating func fill(now: Instant) {
            let minutes = filled.isSet ? max(0, (now - filled).seconds / 60) : 0
            filled = now
            requests.fill(minutes: minutes)
            tokens.fill(minutes: minutes)
        }
    }

    /// By the number of the tenant.
    private let accounts = Guarded([Account]())

    package init() {}

    /// Puts other quotas into force; `quotas` is by the number of the tenant. What has been used stays
    /// used.
    package func adopt(_ quotas: [TenantQuota]) {
        accounts.withLock { accounts in
            while accounts.count < quotas.count { accounts.append(Account()) }
            for (index, quota) in quotas.enumerated() {
                accounts[index].requests.adopt(quota.requestsPerMinute)
                accounts[index].tokens.adopt(quota.tokensPerMinute)
            }
        }
    }

    /// Takes a request and its tokens out of the tenant's buckets.
    ///
    /// - Returns: nil where both had enough; else nothing is taken, and this is the time until both
    ///   have, jittered upwards, 1 … 60 s.
    package func withdraw(
        tenant: Int, tokens: Int, now: Instant, random: inout some RandomNumberGenerator
    ) -> Nanoseconds? {
        let amount = Double(max(0, tokens))
        return refusal(tenant, amount, now: now, random: &random) { account in
            account.requests.take(1)
            account.tokens.take(amount)
        }
    }

    /// The same, of a request whose tokens are not known yet; nothing is taken.
    package func wait(
        tenant: Int, now: Instant, random: inout some RandomNumberGenerator
    ) -> Nanoseconds? {
        refusal(tenant, 0, now: now, random: &random) { _ in }
    }

    private func refusal(
        _ tenant: Int, _ tokens: Double, now: Instant, random: inout some RandomNumberGenerator,
        otherwise take: (inout Account) -> Void
    ) -> Nanoseconds? {
        let minutes = accounts.withLock { accounts -> Double in
            guard tenant >= 0, tenant < accounts.count else { return 0 }
            accounts[tenant].fill(now: now)
            let wait = max(
                accounts[tenant].requests.wait(for: 1), accounts[tenant].tokens.wait(for: tokens))
            if wait <= 0 { take(&accounts[tenant]) }
            return wait
        }
        guard minutes > 0 else { return nil }
        return PoolState.jittered(.seconds(clamping: minutes * 60), random.next())
    }

    /// A request that took `charged` tokens has ended and used `used`.
    package func settle(tenant: Int, charged: Int, used: Int, now: Instant) {
        accounts.withLock { accounts in
            guard tenant >= 0, tenant < accounts.count else { return }
            accounts[tenant].fill(now: now)
            accounts[tenant].tokens.take(Double(used) - Double(charged))
        }
    }

    /// A request that took `charged` tokens was let in nowhere.
    package func giveBack(tenant: Int, charged: Int, now: Instant) {
        accounts.withLock { accounts in
            guard tenant >= 0, tenant < accounts.count else { return }
            accounts[tenant].fill(now: now)
            accounts[tenant].requests.take(-1)
            accounts[tenant].tokens.take(-Double(charged))
        }
    }
}
