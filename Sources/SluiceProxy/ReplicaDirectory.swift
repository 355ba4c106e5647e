import SluiceBytes
import SluiceExchange
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTracing
import SluiceTraffic

/// How to reach one replica; immutable.
final class ReplicaEndpoint: Sendable {
    let address: SocketAddress
    /// The name its certificate is checked against, and the `Host` it is sent.
    let host: String
    let authority: [UInt8]
    /// `Bearer …` of the replica's API key; empty lets the client's own through.
    let authorization: [UInt8]
    let generation: UInt32
    /// Index into the name tables.
    let recordIndex: Int32
    /// Nil for plain HTTP.
    let tls: TLSClientContext?
    let metricsURL: HTTPURL
    let url: HTTPURL
    /// As traces name it.
    let peer: TracePeer

    init(
        name: String, address: SocketAddress, url: HTTPURL, metricsURL: HTTPURL,
        authorization: [UInt8]?, generation: UInt32, recordIndex: Int32, tls: TLSClientContext?
    ) {
        peer = TracePeer(name: name, host: url.host, port: url.port)
        self.address = address
        self.url = url
        self.metricsURL = metricsURL
        host = url.host
        authority = Array(url.authority.utf8)
        self.authorization = authorization ?? []
        self.generation = generation
        self.recordIndex = recordIndex
        self.tls = tls
    }

    /// Whether the other one leads to the same place in the same way.
    func isSame(as other: ReplicaEndpoint) -> Bool {
        address == other.address && url == other.url && metricsURL == other.metricsURL
            && authorization == other.authorization && generation == other.generation
            && recordIndex == other.recordIndex && tls === other.tls
    }
}

/// A model that clients may ask for.
struct ModelEntry: Sendable, Equatable {
    let name: [UInt8]
    let pool: Int
    /// Index into the name tables.
    let label: UInt16
    /// The number of a LoRA adapter; 0 for any other model.
    let adapter: UInt16
    /// Where several pools serve it, which and how: one more than the index of the split; else 0.
    var split: UInt16 = 0
}

/// Of which replicas the models are known: what a name that nobody has told comes to.
enum ModelsKnown: Sendable {
    /// Of each: a model that none has told does not exist.
    case all
    /// Of each but those that have not been there since the start: it may be one of theirs.
    case ofThosePresent
    /// Nobody has told any, or some answer and have not told theirs: they know best.
    case some
}

/// Replicas, models and names at one moment: a value that workers copy, so that no lookup locks.
///
/// What is looked up for every request is `mutating`, changing nothing: a borrow would be passed as a
/// copy of all of it.
struct ReplicaDirectory: Sendable {
    /// By pool, then by replica slot.
    private(set) var endpoints: [[ReplicaEndpoint?]]
    /// By the hash of the name, ascending; ``hashes`` holds the hashes.
    private(set) var models: [ModelEntry] = []
    private var hashes: [UInt64] = []
    /// The model that was asked for last, and where it is: most requests are for the same one. Empty
    /// where that has changed.
    private var lastName = InlineText<96>()
    private var lastModel = 0
    private var splits: [ModelSplit] = []
    var names = NameTables()
    /// By pool: the status of refusals where capacity is contended.
    private var overloadStatuses: [Int] = []
    /// By pool: the field that names a session, in lower case; empty where no class has an objective,
    /// since requests are not sent by what they have in common then.
    private var sessionHeaders: [[UInt8]] = []
    /// By pool: its part of the requests for models that other pools have too; nil: it shares none.
    private var weights: [Double?] = []
    /// By pool: the field that names a session where a model is shared.
    private var splitHeaders: [[UInt8]] = []
    /// Classes and tenants.
    var callers: Callers
    var modelsKnown = ModelsKnown.some
    /// The answer to `GET /v1/models`, made when the directory was.
    var modelsPage: [UInt8] = []

    /// No replicas and no models yet.
    init(_ settings: GatewaySettings) {
        endpoints = Array(repeating: [], count: settings.pools.count)
        callers = Callers(settings, TenantTable(settings.tenants), generation: 1)
        adopt(settings.pools, settings.classes)
        names.classes = settings.classes.map(\.name)
    }

    /// Takes over what pools say of admission.
    mutating func adopt(_ pools: [PoolSettings], _ classes: [ClassPolicy]) {
        overloadStatuses = pools.map(\.admission.overloadStatus)
        weights = pools.map(\.weight)
        splitHeaders = pools.map { Array($0.admission.sessionHeader.lowercased().utf8) }
        let hasObjective = classes.contains { $0.timeToFirstToken != nil }
        sessionHeaders = pools.map {
            hasObjective ? Array($0.admission.sessionHeader.lowercased().utf8) : []
        }
    }

    /// The field that names a session in requests to the pool; nil where none is looked for.
    func sessionHeader(pool: Int) -> [UInt8]? {
        guard pool < sessionHeaders.count, !sessionHeaders[pool].isEmpty else { return nil }
        return sessionHeaders[pool]
    }

    mutating func endpoint(_ key: ReplicaKey) -> ReplicaEndpoint? {
        guard key.slot < endpoints[key.pool].count, let found = endpoints[key.pool][key.slot],
            found.generation == key.generation
        else { return nil }
        return found
    }

    /// The status of the pool's refusals where capacity is contended.
    func overloadStatus(pool: Int) -> Int {
        pool < overloadStatuses.count ? overloadStatuses[pool] : 429
    }

    /// The replica's name for people.
    mutating func name(_ key: ReplicaKey) -> String {
        guard let index = endpoint(key)?.recordIndex, index >= 0, index < names.replicas.count
        else { return "unknown" }
        return names.replicas[Int(index)]?.name ?? "unknown"
    }

    /// Puts a replica's endpoint into its slot; the tenant before is gone.
    mutating func setEndpoint(_ endpoint: ReplicaEndpoint, pool: Int, slot: Int) {
        // Bounded: a pool has at most 1,024 slots.
        while endpoints[pool].count <= slot { endpoints[pool].append(nil) }
        endpoints[pool][slot] = endpoint
    }

    /// Empties a slot, unless it has another tenant by now.
    mutating func removeEndpoint(pool: Int, slot: Int, generation: UInt32) {
        guard slot < endpoints[pool].count, endpoints[pool][slot]?.generation == generation else {
            return
        }
        endpoints[pool][slot] = nil
    }

    /// The entry of a model.
    mutating func model(
        _ name: Span<UInt8>
    ) -> (pool: Int, label: UInt16, adapter: UInt16, split: UInt16)? {
        let isLast =
            lastName.count == name.count
            && name.hasBytes(lastName.bytes, from: 0, count: name.count, at: 0)
        guard let index = isLast && !name.isEmpty ? lastModel : find(name) else { return nil }
        return (
            models[index].pool, models[index].label, models[index].adapter, models[index].split
        )
    }

    /// Where a model is; remembered, unless its name is too long for that.
    private mutating func find(_ name: Span<UInt8>) -> Int? {
        let index = place(of: Self.hash(name))
        guard index < models.count, models[index].name.count == name.count else { return nil }
        for i in 0..<name.count where models[index].name[i] != name[i] { return nil }
        lastName.removeAll()
        lastName.append(name)
        if lastName.count < name.count { lastName.removeAll() }
        lastModel = index
        return index
    }

    /// The label of requests that name no model, where there is one pool.
    var soleModelLabel: UInt16 { models.count == 1 ? models[0].label : ModelTable.other }

    /// All names that clients may ask for, sorted.
    var modelNames: [String] {
        models.map { String(decoding: $0.name, as: UTF8.self) }.sorted()
    }

    mutating func removeModels() {
        models = []
        hashes = []
        splits = []
        lastName.removeAll()
    }

    /// Adds a model; the first pool that names it keeps it, or shares it where both have a weight.
    mutating func add(model name: String, pool: Int, label: UInt16, adapter: UInt16 = 0) {
        let bytes = Array(name.utf8)
        let hash = Self.hash(bytes.span)
        let index = place(of: hash)
        if index < hashes.count, hashes[index] == hash {
            share(index, with: pool)
            return
        }
        hashes.insert(hash, at: index)
        lastName.removeAll()
        let entry = ModelEntry(name: bytes, pool: pool, label: label, adapter: adapter)
        models.insert(entry, at: index)
    }

    /// Lets another pool have a part of a model's requests.
    private mutating func share(_ index: Int, with pool: Int) {
        let first = models[index].pool
        guard first != pool, pool < weights.count, let own = weights[first],
            let other = weights[pool]
        else { return }
        if models[index].split == 0 {
            guard splits.count < Int(UInt16.max) else { return }
            splits.append(
                ModelSplit(pool: first, weight: own, sessionHeader: splitHeaders[first]))
            models[index].split = UInt16(truncatingIfNeeded: splits.count)
        }
        splits[Int(models[index].split) - 1].add(pool: pool, weight: other)
    }

    /// How a model is shared; `number` is that of its entry, not 0.
    func split(_ number: UInt16) -> ModelSplit { splits[Int(number) - 1] }

    /// The labels of the models that a pool serves, alone or with others.
    func labels(pool: Int) -> Set<UInt16> {
        let served = models.filter { model in
            model.pool == pool || model.split > 0 && split(model.split).pools.contains(pool)
        }
        return Set(served.map(\.label))
    }

    /// Where a hash is, or would be put.
    private func place(of hash: UInt64) -> Int {
        var (low, high) = (0, hashes.count)
        while low < high {
            let middle = (low + high) / 2
            if hashes[middle] < hash { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The names are ours, not a client's, so that nobody can choose collisions.
    private static func hash(_ bytes: Span<UInt8>) -> UInt64 { FNV1a(bytes).value }
}

/// A CIDR block.
struct AddressBlock: Sendable {
    private let base: SocketAddress
    private let bits: Int

    /// Nil for what is not `address/bits` or an address.
    init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1)
        guard let first = parts.first, let base = SocketAddress(host: String(first), port: 0) else {
            return nil
        }
        self.base = base
        let width = base.isIPv6 ? 128 : 32
        guard parts.count == 2 else {
            bits = width
            return
        }
        guard let bits = Int(parts[1]), bits >= 0, bits <= width else { return nil }
        self.bits = bits
    }

    func contains(_ address: SocketAddress) -> Bool { base.sharesPrefix(address, bits: bits) }
}
