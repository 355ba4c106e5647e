import Glibc
import SluiceBytes
import SluiceEndpoint
import SluiceExchange
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic
import SluiceVLLM
import Synchronization

// Control thread only, but for the resolver thread it starts.

/// Which replicas there are, what they serve, and the directory the workers read.
final class ReplicaRegistry {
    let shared: GatewayShared
    let loop: EndpointLoop
    let client: HTTPClient
    let shard: MetricShard
    private(set) var agents: [ReplicaAgent] = []
    private var names = NameTables()
    private var recordIndexes: [String: Int32] = [:]
    private var resolver: Resolver?
    private var resolverWatch: EndpointLoop.Watch?
    private let keys: [[[UInt8]?]]
    /// TLS of each configured replica, and of each pool's name.
    private let contexts: [[TLSClientContext?]]
    private let dnsContexts: [TLSClientContext?]
    private var transitions: [String: UInt64] = [:]

    /// Reads API key files and resolves the configured names once. - Throws: ``GatewayError``.
    init(shared: GatewayShared, loop: EndpointLoop, shard: MetricShard) throws(GatewayError) {
        self.shared = shared
        self.loop = loop
        self.shard = shard
        client = HTTPClient(on: loop)
        keys = try Self.readKeys(shared.settings)
        (contexts, dnsContexts) = try Self.makeContexts(shared.settings)
        names.pools = shared.settings.pools.map(\.name)
        names.routingReasons = RoutingReason.allCases.map { $0.label.description }
        names.nameParseErrors()
        for pool in shared.settings.pools {
            for model in pool.models + pool.aliases { _ = names.models.intern(model) }
        }
    }

    private static func readKeys(_ settings: GatewaySettings) throws(GatewayError) -> [[[UInt8]?]] {
        var all: [[[UInt8]?]] = []
        for pool in settings.pools {
            var keys: [[UInt8]?] = []
            for replica in pool.replicas {
                guard let path = replica.apiKeyFile else {
                    keys.append(nil)
                    continue
                }
                guard let text = TextFile.read(path) else {
                    throw .file(key: "api_key_file", path: path, reason: "cannot be read")
                }
                let key = text.split { $0.isWhitespace }.first.map(String.init) ?? ""
                guard !key.isEmpty, key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                    throw .file(key: "api_key_file", path: path, reason: "holds no key")
                }
                keys.append(Array("Bearer \(key)".utf8))
            }
            all.append(keys)
        }
        return all
    }

    private static func makeContexts(_ settings: GatewaySettings) throws(GatewayError) -> (
        [[TLSClientContext?]], [TLSClientContext?]
    ) {
        var contexts: [[TLSClientContext?]] = []
        var names: [TLSClientContext?] = []
        do throws(TLSError) {
            for pool in settings.pools {
                var list: [TLSClientContext?] = []
                for replica in pool.replicas {
                    let isTLS = replica.url.hasPrefix("https:")
                    list.append(isTLS ? try TLSClientContext(authorityFile: replica.caFile) : nil)
                }
                contexts.append(list)
                let isTLS = pool.replicaDNS?.hasPrefix("https:") ?? false
                names.append(isTLS ? try TLSClientContext() : nil)
            }
        } catch {
            throw .tls(error)
        }
        return (contexts, names)
    }

    /// Every replica has been probed once.
    var isProbed: Bool { agents.allSatisfy(\.isProbed) }

    func begin() {
        let dns = shared.settings.pools.enumerated().compactMap { index, pool in
            pool.replicaDNS.flatMap(HTTPURL.init).map {
                Resolver.Name(pool: index, url: $0, interval: pool.dnsInterval)
            }
        }
        let fixed = shared.settings.pools.enumerated().flatMap { index, pool in
            pool.replicas.compactMap { HTTPURL($0.url) }
                .filter { SocketAddress(host: $0.host, port: $0.port) == nil }
                .map { Resolver.Name(pool: index, url: $0, interval: pool.dnsInterval) }
        }
        update()
        guard !dns.isEmpty || !fixed.isEmpty else { return }
        resolver = try? Resolver(names: dns + fixed)
        guard let resolver else { return }
        resolverWatch = try? loop.watch(resolver.mailbox.descriptor, .read) { [unowned self] _ in
            takeAddresses()
        }
    }

    func end() {
        for agent in agents { agent.end() }
        client.closeIdle()
        if let resolverWatch, let resolver {
            loop.unwatch(resolverWatch, resolver.mailbox.descriptor)
        }
        resolver?.stop()
    }

    func tick() {
        for (pool, traffic) in shared.pools.enumerated() {
            for transition in traffic.takeTransitions() {
                shared.logger.notice(
                    "replica \(transition.name): \(transition.from.label) -> \(transition.to.label) (\(transition.reason.label))"
                )
                let key =
                    "\(pool)|\(transition.name)|\(transition.to.label)|\(transition.reason.label)"
                if transitions.count < 4_096 || transitions[key] != nil {
                    transitions[key, default: 0] += 1
                }
            }
        }
    }

    /// State changes so far: pool, replica, state, reason.
    func forEachTransition(_ body: ([String], UInt64) -> Void) {
        for (key, count) in transitions {
            var parts = key.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            if let index = Int(parts[0]) { parts[0] = shared.settings.pools[index].name }
            body(parts, count)
        }
    }

    /// A worker could not connect, or lost a connection: look at once.
    func probeNow(pool: Int, _ replica: ReplicaID) {
        for agent in agents where agent.pool == pool && agent.id == replica { agent.probe() }
    }

    // MARK: Discovery

    private func takeAddresses() {
        guard let resolver else { return }
        var isChanged = false
        for answer in resolver.mailbox.take() {
            switch answer.result {
            case .success(let addresses):
                guard !addresses.isEmpty else { continue }
                let key = answer.name
                if resolved[key.url.authority] != addresses {
                    resolved[key.url.authority] = addresses
                    isChanged = true
                }
            case .failure(let error):
                // The last good answer stays: a dead resolver is no dead replica.
                shard.dnsError()
                shared.control.post(.note("resolving \(error)"))
            }
        }
        if isChanged { update() }
    }

    /// What names resolved to last, by `host:port`.
    private var resolved: [String: [SocketAddress]] = [:]

    private struct Wanted {
        let descriptor: ReplicaDescriptor
        let address: SocketAddress
        let url: HTTPURL
        let metricsURL: HTTPURL
        let key: [UInt8]?
        let tls: TLSClientContext?
    }

    private func wanted(_ index: Int) -> [Wanted] {
        let pool = shared.settings.pools[index]
        var list: [Wanted] = []
        for (number, replica) in pool.replicas.enumerated() {
            guard let url = HTTPURL(replica.url) else { continue }
            let address =
                SocketAddress(host: url.host, port: url.port) ?? resolved[url.authority]?.first
            guard let address else { continue }
            list.append(
                Wanted(
                    descriptor: ReplicaDescriptor(
                        name: replica.name ?? url.authority, key: replica.url,
                        weight: replica.weight),
                    address: address, url: url,
                    metricsURL: replica.metricsURL.flatMap(HTTPURL.init) ?? url,
                    key: keys[index][number], tls: contexts[index][number]))
        }
        if let url = pool.replicaDNS.flatMap(HTTPURL.init) {
            let addresses = resolved[url.authority] ?? []
            for address in addresses.sorted(by: { $0.description < $1.description }) {
                list.append(
                    Wanted(
                        descriptor: ReplicaDescriptor(
                            name: address.description, key: address.description),
                        address: address, url: url, metricsURL: url, key: nil,
                        tls: dnsContexts[index]))
            }
        }
        return list
    }

    /// Makes pools, agents and directory hold exactly the replicas that are wanted now.
    private func update() {
        var directory = shared.currentDirectory()
        var kept: [ReplicaAgent] = []
        var begun: [ReplicaAgent] = []
        for index in shared.pools.indices {
            let wanted = wanted(index)
            let update = shared.pools[index].update(
                replicas: wanted.map(\.descriptor), now: loop.now)
            for (want, id) in zip(wanted, update.ids) {
                guard let id else { continue }
                if let agent = agents.first(where: { $0.pool == index && $0.id == id }),
                    agent.endpoint.address == want.address
                {
                    kept.append(agent)
                    continue
                }
                let endpoint = ReplicaEndpoint(
                    address: want.address, url: want.url, metricsURL: want.metricsURL,
                    authorization: want.key, generation: id.generation,
                    recordIndex: recordIndex(index, want.descriptor.name), tls: want.tls)
                let slot = Int(id.slot)
                while directory.endpoints[index].count <= slot {
                    directory.endpoints[index].append(nil)
                }
                directory.endpoints[index][slot] = endpoint
                let metricsAddress =
                    SocketAddress(host: want.metricsURL.host, port: want.metricsURL.port)
                    ?? want.address
                begun.append(
                    ReplicaAgent(
                        pool: index, endpoint: endpoint, id: id, name: want.descriptor.name,
                        key: want.descriptor.key, metricsAddress: metricsAddress,
                        settings: shared.settings.pools[index], registry: self))
            }
            shared.wake(update.wakes, except: nil)
        }
        for agent in agents where !kept.contains(where: { $0 === agent }) { agent.end() }
        agents = kept + begun
        publish(directory)
        for agent in begun { agent.begin() }
    }

    private func recordIndex(_ pool: Int, _ name: String) -> Int32 {
        let key = "\(pool)|\(name)"
        if let index = recordIndexes[key] { return index }
        guard names.replicas.count < 65_535 else { return -1 }
        let index = Int32(names.replicas.count)
        recordIndexes[key] = index
        names.replicas.append(ReplicaName(pool: shared.settings.pools[pool].name, name: name))
        return index
    }

    // MARK: Models

    /// A replica has told what it serves.
    func modelsChanged() { publish(shared.currentDirectory()) }

    private func publish(_ old: ReplicaDirectory) {
        var directory = old
        directory.removeModels()
        var lists: [[Model]] = []
        for (index, pool) in shared.settings.pools.enumerated() {
            for model in pool.models + pool.aliases {
                directory.add(model: model, pool: index, label: names.models.intern(model))
            }
        }
        for agent in agents {
            let models = agent.models ?? []
            lists.append(models)
            for model in models {
                let label = names.models.intern(model.parent ?? model.id)
                directory.add(model: model.id, pool: agent.pool, label: label)
            }
        }
        directory.isComplete =
            !agents.isEmpty && agents.allSatisfy(\.hasToldModels)
            && agents.contains { $0.models != nil }
        directory.modelsPage = modelsPage(lists)
        directory.names = names
        shared.publish(directory)
    }

    /// The union of all pools' models, and configured names that no replica has told.
    private func modelsPage(_ lists: [[Model]]) -> [UInt8] {
        let told = Set(lists.joined().map(\.id))
        let configured = shared.settings.pools.flatMap { $0.models + $0.aliases }
            .filter { !told.contains($0) }
            .map { Model(id: $0) }
        var page = ByteBuffer()
        ModelList.write(ModelList.union(lists + [configured]), into: &page)
        return page.array()
    }

    /// The tables for records and pages.
    var nameTables: NameTables { names }
}

/// Resolves names off every loop; getaddrinfo(3) blocks.
final class Resolver {
    struct Name: Sendable {
        let pool: Int
        let url: HTTPURL
        let interval: Nanoseconds
    }

    struct Answer: Sendable {
        let name: Name
        let result: Result<[SocketAddress], ResolveError>
    }

    let mailbox: Mailbox<Answer>
    private let isStopping: StopFlag
    private var thread: WorkerThread?

    private final class StopFlag: Sendable {
        let value = Atomic<Bool>(false)
    }

    init(names: [Name]) throws(SystemError) {
        let mailbox = try Mailbox<Answer>()
        self.mailbox = mailbox
        let flag = StopFlag()
        isStopping = flag
        thread = try WorkerThread(name: "sluice-dns") {
            var due = names.map { _ in MonotonicClock.now() }
            while !flag.value.load(ordering: .relaxed) {
                for (index, name) in names.enumerated() where MonotonicClock.now() >= due[index] {
                    let result = SocketAddress.resolve(host: name.url.host, port: name.url.port)
                    mailbox.post(Answer(name: name, result: result))
                    due[index] = MonotonicClock.now() + name.interval
                }
                usleep(50_000)
            }
        }
    }

    func stop() {
        isStopping.value.store(true, ordering: .relaxed)
        thread.take()?.join()
    }
}
