import SluiceExchange
import SluiceTraffic
import Testing

@testable import SluiceProxy

/// Numbers of tenants.
@Suite struct TenantTableTests {
    private func tenants(_ names: some Sequence<String>, weight: Double = 1) -> [TenantSettings] {
        names.map { name in
            var tenant = TenantSettings(name: name)
            tenant.weight = weight
            return tenant
        }
    }

    @Test func `the first is anonymous, whose weight can be set and taken back`() {
        var table = TenantTable(tenants(["a"]))
        #expect(table.policies.map(\.name) == ["anonymous", "a"])
        table.adopt(tenants(["anonymous", "a"], weight: 3))
        #expect(table.policies.map(\.weight) == [3, 3])
        table.adopt(tenants(["a"], weight: 2))
        #expect(table.policies.map(\.weight) == [1, 2])
        #expect(table.index(of: "nobody") == 0)
    }

    @Test func `a tenant keeps its number, whoever comes, goes or moves`() {
        var table = TenantTable(tenants(["a", "b"]))
        table.adopt(tenants(["c", "b"]))
        #expect(table.policies.map(\.name) == ["anonymous", "a", "b", "c"])
        table.adopt(tenants(["a"]))
        #expect(["a", "b", "c"].map { table.index(of: $0) } == [1, 2, 3])
    }

    @Test func `numbers are bounded, and one is given away only when there is no other`() {
        let most = AdmissionPolicy.tenantsMax - 1
        var table = TenantTable(tenants((0..<most).map { "t\($0)" }))
        #expect(table.policies.count == AdmissionPolicy.tenantsMax)
        table.adopt(tenants((1..<most).map { "t\($0)" } + ["new"]))
        #expect(table.policies.count == AdmissionPolicy.tenantsMax)
        #expect(table.index(of: "new") == 1, "the only number that is free")
        #expect(table.index(of: "t0") == 0)
        table.adopt(tenants(["t1", "newer"]))
        #expect(table.index(of: "newer") == most, "the lowest have labels of their own")
        #expect(table.index(of: "t1") == 2)
    }

    @Test func `the policy of a pool has the tenants by number`() {
        var settings = GatewaySettings()
        settings.classes = [ClassPolicy(name: "a", timeToFirstToken: .seconds(1))]
        settings.tenants = tenants(["x", "y"], weight: 2)
        var pool = PoolSettings(name: "p")
        pool.admission.mode = .shadow
        pool.admission.slotsMax = 8
        pool.admission.gateways = 3
        pool.admission.isExclusive = true
        pool.admission.noReplicaWait = .seconds(9)
        var expected = AdmissionPolicy()
        expected.mode = .shadow
        expected.classes = settings.classes
        expected.tenants = [
            TenantPolicy(name: "anonymous"), TenantPolicy(name: "x", weight: 2),
            TenantPolicy(name: "y", weight: 2),
        ]
        expected.slotsMax = 8
        expected.gateways = 3
        expected.isExclusive = true
        expected.noReplicaWait = .seconds(9)
        let policy = settings.admissionPolicy(
            for: pool, tenants: TenantTable(settings.tenants))
        #expect(policy == expected)
    }
}
