import SluiceBytes
import SluiceTime
import Testing

@testable import SluiceTraffic

@Suite struct TenantQuotasTests {
    /// Accounts with a hand-moved clock.
    private final class Accounts {
        let quotas = TenantQuotas()
        var now = Instant(nanoseconds: 1_000_000_000_000)
        var random = SplitMix64(seed: 1)

        init(_ all: TenantQuota...) { quotas.adopt(all) }

        func withdraw(_ tokens: Int = 0, tenant: Int = 0) -> Nanoseconds? {
            quotas.withdraw(tenant: tenant, tokens: tokens, now: now, random: &random)
        }

        /// How many requests are let in, one after the other; 10,000 at most.
        func admitted(_ tokens: Int = 0, tenant: Int = 0) -> Int {
            var count = 0
            while count < 10_000, withdraw(tokens, tenant: tenant) == nil { count += 1 }
            return count
        }
    }

    @Test func `as many requests as a minute brings are let in at once, then as they come`() {
        let accounts = Accounts(TenantQuota(requestsPerMinute: 60))
        #expect(accounts.admitted() == 60)
        accounts.now = accounts.now + .seconds(5)
        #expect(accounts.admitted() == 5)
        accounts.now = accounts.now + .seconds(3_600)
        #expect(accounts.admitted() == 60, "no more than a minute's is saved up")
    }

    @Test func `tokens count as they are used, the request's other bucket as well`() {
        let accounts = Accounts(TenantQuota(requestsPerMinute: 10, tokensPerMinute: 1_000))
        #expect(accounts.admitted(300) == 3)
        #expect(accounts.withdraw(100) == nil && accounts.withdraw(1) != nil)
        accounts.now = accounts.now + .seconds(60)
        #expect(accounts.admitted(1) == 10)
    }

    @Test func `the wait is the time until there is enough, and half as much again at most`() {
        let accounts = Accounts(TenantQuota(tokensPerMinute: 600))
        #expect(accounts.withdraw(600) == nil)
        for _ in 0..<50 {
            let wait = accounts.withdraw(200) ?? .zero
            #expect(wait >= .seconds(20) && wait <= .seconds(30))
        }
        accounts.now = accounts.now + .seconds(20)
        #expect(accounts.withdraw(200) == nil)
    }

    @Test func `a prompt beyond what a minute brings is let in when nothing has been used`() {
        let accounts = Accounts(TenantQuota(tokensPerMinute: 100))
        #expect(accounts.withdraw(1_000) == nil)
        #expect(accounts.withdraw(1) != nil)
    }

    @Test func `what an answer took too much is paid before the next is let in`() {
        let accounts = Accounts(TenantQuota(tokensPerMinute: 600))
        #expect(accounts.withdraw(100) == nil)
        accounts.quotas.settle(tenant: 0, charged: 100, used: 1_200, now: accounts.now)
        accounts.now = accounts.now + .seconds(60)
        #expect(accounts.withdraw(1) != nil)
        accounts.now = accounts.now + .seconds(1)
        #expect(accounts.withdraw(1) == nil)
        let wait = accounts.quotas.wait(tenant: 0, now: accounts.now, random: &accounts.random)
        #expect(wait == nil)
    }

    @Test func `an estimate that was too high is given back`() {
        let accounts = Accounts(TenantQuota(tokensPerMinute: 600))
        #expect(accounts.withdraw(600) == nil)
        accounts.quotas.settle(tenant: 0, charged: 600, used: 100, now: accounts.now)
        #expect(accounts.admitted(100) == 5)
    }

    @Test func `one that was let in nowhere has used nothing`() {
        let accounts = Accounts(TenantQuota(requestsPerMinute: 1, tokensPerMinute: 600))
        #expect(accounts.withdraw(600) == nil)
        accounts.quotas.giveBack(tenant: 0, charged: 600, now: accounts.now)
        #expect(accounts.withdraw(600) == nil && accounts.withdraw(0) != nil)
    }

    @Test func `debt has a bound, whatever is counted`() {
        let accounts = Accounts(TenantQuota(tokensPerMinute: 60))
        #expect(accounts.withdraw(Int.max) == nil)
        accounts.quotas.settle(tenant: 0, charged: 0, used: Int.max, now: accounts.now)
        accounts.now = accounts.now + .seconds(61 * 60)
        #expect(accounts.withdraw(1) == nil)
    }

    @Test func `tenants without a quota, or without a number, are let in`() {
        let accounts = Accounts(TenantQuota(), TenantQuota(requestsPerMinute: 1))
        #expect(accounts.admitted(1_000_000) == 10_000)
        #expect(accounts.admitted(tenant: 1) == 1)
        #expect(accounts.admitted(tenant: 2) == 10_000 && accounts.admitted(tenant: -1) == 10_000)
    }

    @Test func `another quota takes over what is left`() {
        let accounts = Accounts(TenantQuota(requestsPerMinute: 10))
        for _ in 0..<8 { #expect(accounts.withdraw() == nil) }
        accounts.quotas.adopt([TenantQuota(requestsPerMinute: 100)])
        #expect(accounts.admitted() == 2)
        accounts.quotas.adopt([TenantQuota(requestsPerMinute: 1)])
        accounts.now = accounts.now + .seconds(60)
        #expect(accounts.admitted() == 1)
        accounts.quotas.adopt([TenantQuota()])
        #expect(accounts.admitted() == 10_000)
        accounts.quotas.adopt([TenantQuota(requestsPerMinute: 5)])
        #expect(accounts.admitted() == 5)
    }
}
