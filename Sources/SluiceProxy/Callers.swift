import SluiceBytes
import SluiceExchange
import SluiceReactor
import SluiceTelemetry
import SluiceTraffic

/// Who is who: how workers find class and tenant of a request; immutable.
///
/// Source: docs/configuration.md, *Who is who*.
final class Callers: Sendable {
    /// What is known of a tenant.
    private struct Tenant {
        /// Class of requests that name none.
        var defaultClass: UInt8
        /// The most urgent class allowed; 0 is any.
        var ceiling: UInt8
        /// It has a quota.
        var isMetered = false
    }

    private let classes: [[UInt8]]
    /// Class of requests that name none, and of what comes before a request is understood.
    let defaultClass: UInt8
    /// Whether tenants are configured; without, no key is looked at.
    let tellsTenants: Bool
    /// Which reading of the configuration this is: what was found by another one does not count.
    let generation: UInt32
    /// What tenants may have in a minute; nil where none is bounded.
    let quotas: TenantQuotas?
    /// By the index of ``TenantTable``; the first is anonymous.
    private let tenants: [Tenant]
    private let keys: [SHA256Digest: UInt16]
    private let names: [[UInt8]: UInt16]

    /// - Parameters:
    ///   - table: the numbers of the tenants of `settings`, given already.
    ///   - quotas: their accounts, which have adopted the settings.
    init(
        _ settings: GatewaySettings, _ table: TenantTable, quotas: TenantQuotas? = nil,
        generation: UInt32
    ) {
        let classes = settings.classes.map(\.name)
        func index(_ name: String?) -> UInt8? {
            name.flatMap { classes.firstIndex(of: $0) }.map { UInt8(truncatingIfNeeded: $0) }
        }
        let defaultClass = UInt8(truncatingIfNeeded: settings.defaultClassIndex)
        var tenants = Array(
            repeating: Tenant(defaultClass: defaultClass, ceiling: 0),
            count: table.policies.count)
        var keys: [SHA256Digest: UInt16] = [:]
        var names: [[UInt8]: UInt16] = [:]
        for tenant in settings.tenants {
            let number = table.index(of: tenant.name)
            tenants[number] = Tenant(
                defaultClass: index(tenant.defaultClass) ?? defaultClass,
                ceiling: index(tenant.classMax) ?? 0, isMetered: tenant.quota.isBounded)
            names[Array(tenant.name.utf8)] = UInt16(truncatingIfNeeded: number)
            for key in tenant.keyHashes.compactMap(SHA256Digest.init(hexadecimal:)) {
                keys[key] = UInt16(truncatingIfNeeded: number)
            }
        }
        self.classes = classes.map { Array($0.utf8) }
        self.defaultClass = defaultClass
        self.generation = generation
        tellsTenants = !settings.tenants.isEmpty
        self.quotas = settings.tenants.contains { $0.quota.isBounded } ? quotas : nil
        self.tenants = tenants
        self.keys = keys
        self.names = names
    }

    /// All classes, the most urgent first.
    var classNames: [String] { classes.map { String(decoding: $0, as: UTF8.self) } }

    /// The class of this name.
    func priorityClass(_ name: Span<UInt8>) -> UInt8? {
        for index in classes.indices where Self.isSame(classes[index], name) {
            return UInt8(truncatingIfNeeded: index)
        }
        return nil
    }

    /// Whose key it is; anonymous where it is nobody's.
    func tenant(key: Span<UInt8>) -> UInt16 {
        SHA256Digest(of: key).flatMap { keys[$0] } ?? 0
    }

    /// Whether a tenant has a quota.
    func isMetered(_ tenant: UInt16) -> Bool { tenants[Int(tenant)].isMetered }

    /// The tenant of this name, as a trusted peer writes it.
    func tenant(named name: Span<UInt8>) -> UInt16? {
        guard !name.isEmpty, name.count <= 64 else { return nil }
        var bytes: [UInt8] = []
        for index in 0..<name.count { bytes.append(name[index]) }
        return names[bytes]
    }

    /// The class of a tenant's request: what was asked for or the default, within the ceiling.
    func priorityClass(of tenant: UInt16, asked: UInt8?) -> UInt8 {
        let tenant = tenants[Int(tenant)]
        return max(asked ?? tenant.defaultClass, tenant.ceiling)
    }

    private static func isSame(_ name: [UInt8], _ bytes: Span<UInt8>) -> Bool {
        guard name.count == bytes.count else { return false }
        for index in 0..<bytes.count where name[index] != bytes[index] { return false }
        return true
    }
}

/// The key of a connection's last request and whose it is, so that it is hashed once.
struct LastKey {
    /// Bytes kept at most; a longer key is hashed every time.
    static let bytesMax = 512

    private var bytes: [UInt8] = []
    private var tenant: UInt16 = 0
    private var generation: UInt32 = 0

    /// Whose key it is.
    mutating func tenant(of key: Span<UInt8>, _ callers: Callers) -> UInt16 {
        if generation == callers.generation, holds(key) { return tenant }
        let found = callers.tenant(key: key)
        guard key.count <= Self.bytesMax else { return found }
        bytes.removeAll(keepingCapacity: true)
        for index in 0..<key.count { bytes.append(key[index]) }
        (tenant, generation) = (found, callers.generation)
        return found
    }

    private func holds(_ key: Span<UInt8>) -> Bool {
        guard bytes.count == key.count else { return false }
        let own = bytes.span
        for index in 0..<key.count where own[index] != key[index] { return false }
        return true
    }
}
