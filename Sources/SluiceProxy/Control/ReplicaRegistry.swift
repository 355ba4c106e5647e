import SluiceBytes
import SluiceEndpoint
import SluiceExchange
import SluiceHTTP
import SluiceReactor
import SluiceTelemetry
import SluiceTime
import SluiceTraffic
import SluiceVLLM

// Control thread only.

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
    private var addresses = KnownAddresses()
    /// Replicas that are not wanted any more and finish what they have.
    private var leaving: [(pool: Int, id: ReplicaID)] = []
    private var seenModels = SeenModels()
    /// Names whose first look-up has not come to an end.
    private var unanswered = Set<String>()
    private let lookup: NameLookup
    private let credentials: [PoolCredentials]
    private var transitions: [String: UInt64] = [:]

    /// Reads API key and CA files. - Throws: ``GatewayError``.
    init(
        shared: GatewayShared, loop: EndpointLoop, shard: MetricShard, lookup: @escaping NameLookup
    ) throws(GatewayError) {
        self.shared = shared
        self.loop = loop
        self.shard = shard
        client = HTTPClient(on: loop)
        self.lookup = lookup
        var credentials: [PoolCredentials] = []
        for pool in shared.settings.pools { credentials.append(try PoolCredentials(pool)) }
        self.credentials = credentials
        names.pools = shared.settings.pools.map(\.name)
        names.routingReasons = RoutingReason.allCases.map { $0.label.description }
        names.nameParseErrors()
        for pool in shared.settings.pools {
            for model in pool.models + pool.aliases { _ = names.models.intern(model) }
        }
    }

    /// Every name has been looked up once, and every replica probed.
    var isProbed: Bool { unanswered.isEmpty && agents.allSatisfy(\.isProbed) }

    func begin() {
        let dns = shared.settings.pools.compactMap { pool in
            pool.replicaDNS.flatMap({ try? HTTPURL($0) }).map {
                Resolver.Name(url: $0, interval: pool.dnsInterval)
            }
        }
        let fixed = shared.settings.pools.flatMap { pool in
            pool.replicas.compactMap { try? HTTPURL($0.url) }
                .filter { SocketAddress(host: $0.host, port: $0.port) == nil }
                .map { Resolver.Name(url: $0, interval: pool.dnsInterval) }
        }
        update()
        guard !dns.isEmpty || !fixed.isEmpty else { return }
        resolver = try? Resolver(names: dns + fixed, lookup: lookup, now: loop.now)
        guard let resolver else { return }
        unanswered = Set((dns + fixed).map(\.url.authority))
        resolverWatch = try? loop.watch(resolver.descriptor, .read) { [unowned self] _ in
            takeAddresses(resolver.take(now: loop.now))
        }
    }

    func end() {
        for agent in agents { agent.end() }
        client.closeIdle()
        if let resolverWatch, let resolver {
            loop.unwatch(resolverWatch, resolver.descriptor)
        }
    }

    func tick() {
        forgetGone()
        if let resolver { takeAddresses(resolver.tick(now: loop.now)) }
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

    private func takeAddresses(_ answers: [Resolver.Answer]) {
        var isChanged = false
        for answer in answers {
            unanswered.remove(answer.name.url.authority)
            switch answer.result {
            case .success(let found):
                if addresses.take(found, for: answer.name.url.authority) { isChanged = true }
            case .failure(let error):
                shard.dnsError()
                shared.control.post(.note("resolving \(error)"))
            }
        }
        if isChanged { update() }
    }

    private struct Wanted {
        let descriptor: ReplicaDescriptor
        let address: SocketAddress
        let url: HTTPURL
        let metricsURL: HTTPURL
        let credentials: ReplicaCredentials
    }

    private func wanted(_ index: Int) -> [Wanted] {
        let pool = shared.settings.pools[index]
        var list: [Wanted] = []
        for (number, replica) in pool.replicas.enumerated() {
            guard let url = try? HTTPURL(replica.url) else { continue }
            let literal = SocketAddress(host: url.host, port: url.port)
            guard let address = literal ?? addresses.address(of: url.authority) else { continue }
            // At another address is another server: the one before drains.
            let key = literal == nil ? "\(replica.url) \(address)" : replica.url
            list.append(
                Wanted(
                    descriptor: ReplicaDescriptor(
                        name: replica.name ?? url.authority, key: key, weight: replica.weight),
                    address: address, url: url,
                    metricsURL: replica.metricsURL.flatMap { try? HTTPURL($0) } ?? url,
                    credentials: credentials[index].replicas[number]))
        }
        if let url = pool.replicaDNS.flatMap({ try? HTTPURL($0) }) {
            for address in addresses.all(of: url.authority) {
                list.append(
                    Wanted(
                        descriptor: ReplicaDescriptor(
                            name: address.description, key: address.description),
                        address: address, url: url, metricsURL: url,
                        credentials: credentials[index].found))
            }
        }
        return list
    }

    /// Makes pools, agents and directory hold exactly the replicas that are wanted now.
    private func update() {
        var kept: [ReplicaAgent] = []
        var begun: [ReplicaAgent] = []
        var wakes = WakeSet()
        // In one step for the workers: one that is given a new replica's slot finds its address.
        shared.changeDirectory { directory in
            for index in shared.pools.indices {
                let wanted = wanted(index)
                let update = shared.pools[index].update(
                    replicas: wanted.map(\.descriptor), now: loop.now)
                wakes.formUnion(update.wakes)
                leaving += update.draining.map { (index, $0) }
                for (want, id) in zip(wanted, update.ids) {
                    guard let id else { continue }
                    if let agent = agents.first(where: { $0.pool == index && $0.id == id }) {
                        kept.append(agent)
                        continue
                    }
                    let agent = makeAgent(index, id, want)
                    directory.setEndpoint(agent.endpoint, pool: index, slot: Int(id.slot))
                    begun.append(agent)
                }
            }
            directory.names = names
        }
        shared.wake(wakes, except: nil)
        for agent in agents where !kept.contains(where: { $0 === agent }) { agent.end() }
        agents = kept + begun
        publish(shared.currentDirectory())
        for agent in begun { agent.begin() }
    }

    private func makeAgent(_ pool: Int, _ id: ReplicaID, _ want: Wanted) -> ReplicaAgent {
        let endpoint = ReplicaEndpoint(
            address: want.address, url: want.url, metricsURL: want.metricsURL,
            authorization: want.credentials.authorization, generation: id.generation,
            recordIndex: recordIndex(pool, want.descriptor.name),
            tls: want.url.isTLS ? want.credentials.tls : nil)
        let metricsAddress =
            SocketAddress(host: want.metricsURL.host, port: want.metricsURL.port) ?? want.address
        return ReplicaAgent(
            pool: pool, endpoint: endpoint, id: id, name: want.descriptor.name,
            metricsAddress: metricsAddress, tls: want.credentials.tls,
            settings: shared.settings.pools[pool], registry: self)
    }

    /// Forgets the addresses of replicas that have finished what they had, so that workers close
    /// their idle connections there.
    private func forgetGone() {
        guard !leaving.isEmpty else { return }
        var gone: [(pool: Int, id: ReplicaID)] = []
        leaving.removeAll { entry in
            switch shared.pools[entry.pool].replicaState(entry.id) {
            case nil:
                gone.append(entry)
                return true
            // Back in the list.
            case let state?: return state != .draining
            }
        }
        guard !gone.isEmpty else { return }
        shared.changeDirectory { directory in
            for entry in gone {
                directory.removeEndpoint(
                    pool: entry.pool, slot: Int(entry.id.slot), generation: entry.id.generation)
            }
        }
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
                seenModels.tell(model.id, pool: agent.pool, label: label, now: loop.now)
            }
        }
        seenModels.expire(now: loop.now)
        for (model, place) in seenModels.places {
            directory.add(model: model, pool: place.pool, label: place.label)
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
