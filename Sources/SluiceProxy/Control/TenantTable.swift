import SluiceExchange
import SluiceTraffic

/// Numbers of tenants, by which requests, queues and metrics know them.
///
/// A tenant keeps its number from one reading of the configuration to the next: requests that wait
/// hold it, and shards count by it. That of one who is gone is given away only when there is no other.
struct TenantTable: Sendable {
    /// By number, for the pools; those who are gone are still in it. The first is anonymous.
    private(set) var policies = [TenantPolicy(name: TenantSettings.anonymous)]
    private var indexes = [TenantSettings.anonymous: 0]

    /// Numbers for these tenants.
    init(_ tenants: [TenantSettings]) { adopt(tenants) }

    /// Takes over other tenants and weights.
    mutating func adopt(_ tenants: [TenantSettings]) {
        let wanted = Set(tenants.map(\.name))
        if !wanted.contains(TenantSettings.anonymous) { policies[0].weight = 1 }
        for tenant in tenants {
            guard let index = indexes[tenant.name] ?? free(wanted) else { continue }
            policies[index] = TenantPolicy(name: tenant.name, weight: tenant.weight)
            indexes[tenant.name] = index
        }
    }

    /// The number of a tenant; 0, anonymous, for one that is not in the table.
    func index(of name: String) -> Int { indexes[name] ?? 0 }

    /// The quotas of these tenants, by number.
    func quotas(_ settings: [TenantSettings]) -> [TenantQuota] {
        var quotas = [TenantQuota](repeating: TenantQuota(), count: policies.count)
        for tenant in settings {
            if let index = indexes[tenant.name] { quotas[index] = tenant.quota }
        }
        return quotas
    }

    /// A new number, or the highest whose tenant is gone: the lowest have labels of their own.
    private mutating func free(_ wanted: Set<String>) -> Int? {
        if policies.count < AdmissionPolicy.tenantsMax {
            policies.append(TenantPolicy(name: ""))
            return policies.count - 1
        }
        guard
            let index = policies.lastIndex(where: {
                !wanted.contains($0.name) && $0.name != TenantSettings.anonymous
            })
        else { return nil }
        indexes[policies[index].name] = nil
        return index
    }
}
