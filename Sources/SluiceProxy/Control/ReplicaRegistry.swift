import SluiceBytes
import SluiceEndpoint
import SluiceExchange
import SluiceHTTP
import SluiceInsight
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
    var names = NameTables()
    var replicaNames = ReplicaNames()
    /// The pools' settings in force; their number and names never change.
    private(set) var pools: [PoolSettings]
    var classes: [ClassPolicy]
    private var resolver: Resolver?
    private var resolverWatch: EndpointLoop.Watch?
    private(set) var addresses = KnownAddresses()
    private var troubles = LookupTroubles()
    /// Replicas that are not wanted any more and finish what they have.
    private var leaving: [(pool: Int, id: ReplicaID)] = []
    var seenModels = SeenModels()
    var adapters = AdapterNumbers()
    /// Numbers of the tenants; they stay from one configuration to the next.
    private(set) var tenants: TenantTable
    var callers: Callers
    private let quotas = TenantQuotas()
    /// Names whose first look-up has not come to an end.
    private var unanswered = Set<String>()
    private let lookup: NameLookup
    private var credentials: [PoolCredentials]
    private var contexts: ClientContexts
    private var transitions: [String: UInt64] = [:]
    /// Replicas that were taken out with requests at them, and when workers look at those again.
    private var stalled: [(pool: Int, id: ReplicaID, next: Instant)] = []

    /// The retry budget refills, other replicas come back, and an acknowledgement that is late by now
    /// will not come: what could not move may later. Before an ejected replica is tried again.
    static let failOverInterval = Nanoseconds.milliseconds(600)

    /// Reads API key and CA files.
    init(
        shared: GatewayShared, loop: EndpointLoop, shard: MetricShard, lookup: @escaping NameLookup
    ) throws(FileFault) {
        self.shared = shared
        self.loop = loop
        self.shard = shard
        client = HTTPClient(on: loop)
        self.lookup = lookup
        pools = shared.settings.pools
        classes = shared.settings.classes
        contexts = ClientContexts()
        credentials = try Self.read(pools, &contexts)
        tenants = TenantTable(shared.settings.tenants)
        quotas.adopt(tenants.quotas(shared.settings.tenants))
        callers = Callers(shared.settings, tenants, quotas: quotas, generation: 2)
        names.pools = pools.map(\.name)
        names.classes = shared.settings.classes.map(\.name)
        nameTenants(shared.settings)
        names.routingReasons = RoutingReason.allCases.map { $0.label.description }
        names.nameParseErrors()
        internModels()
    }

    private static func read(_ pools: [PoolSettings], _ contexts: inout ClientContexts)
        throws(FileFault) -> [PoolCredentials]
    {
        var credentials: [PoolCredentials] = []
        for (index, pool) in pools.enumerated() {
            let path = "pools[\(index)]"
            credentials.append(try PoolCredentials(pool, path: path, contexts: &contexts))
        }
        return credentials
    }

    /// Names of tenants for log and metrics, once there are any but the anonymous one.
    private func nameTenants(_ settings: GatewaySettings) {
        guard !settings.tenants.isEmpty || !names.tenants.isEmpty else { return }
        names.tenants = tenants.policies.map(\.name)
    }

    /// Those that objectives name come first: ``ObjectivePlan`` counts on their numbers.
    private func internModels() {
        for model in ObjectivePlan.modelNames(of: shared.objectives.objectives) {
            _ = names.models.intern(model)
        }
        for pool in pools {
            for model in pool.models + pool.aliases { _ = names.models.intern(model) }
        }
    }

    /// Every name has been looked up once, and every replica probed.
    var isProbed: Bool { unanswered.isEmpty && agents.allSatisfy { $0.standing > .unprobed } }

    func begin() {
        update()
        resolveNames()
    }

    /// Puts other settings of the same pools into force: replicas come, go and change live.
    ///
    /// - Throws: ``FileFault`` when a file cannot be used; nothing has changed then.
    func adopt(_ new: GatewaySettings) throws(FileFault) {
        precondition(new.pools.map(\.name) == pools.map(\.name), "pools are named at start")
        var contexts = ClientContexts(reusing: contexts)
        credentials = try Self.read(new.pools, &contexts)
        self.contexts = contexts
        pools = new.pools
        classes = new.classes
        tenants.adopt(new.tenants)
        quotas.adopt(tenants.quotas(new.tenants))
        callers = Callers(new, tenants, quotas: quotas, generation: callers.generation &+ 1)
        nameTenants(new)
        internModels()
        for (pool, traffic) in zip(pools, shared.pools) {
            shared.wake(
                traffic.reconfigure(
                    limits: pool.admissionLimits,
                    policy: new.admissionPolicy(for: pool, tenants: tenants),
                    health: pool.healthSettings, now: loop.now),
                except: nil)
        }
        update()
        resolveNames()
    }

    /// Tells the resolver which names there are now; the first ones start it.
    private func resolveNames() {
        var wanted: [Resolver.Name] = []
        for pool in pools {
            var urls = pool.replicas.flatMap(\.urls).compactMap { try? HTTPURL($0) }
            urls = urls.filter { SocketAddress(host: $0.host, port: $0.port) == nil }
            if let url = pool.replicaDNS.flatMap({ try? HTTPURL($0) }) { urls.append(url) }
            for url in urls where !wanted.contains(where: { $0.url.authority == url.authority }) {
                wanted.append(Resolver.Name(url: url, interval: pool.dnsInterval))
            }
        }
        let authorities = Set(wanted.map(\.url.authority))
        addresses.keep(only: authorities)
        troubles.keep(only: authorities)
        // Nobody waits for the name of an exporter of GPUs.
        unanswered = authorities.subtracting(gpuExporters).filter {
            addresses.address(of: $0) == nil
        }
        if let resolver { return resolver.resolve(wanted, now: loop.now) }
        guard !wanted.isEmpty else { return }
        resolver = try? Resolver(names: wanted, lookup: lookup, now: loop.now)
        guard let resolver else { return }
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
        dropOldNames()
        if let resolver { takeAddresses(resolver.tick(now: loop.now)) }
        for (pool, traffic) in shared.pools.enumerated() {
            let changes = traffic.takeTransitions()
            if !changes.isEmpty {
                for agent in agents where agent.pool == pool { agent.renewProbeTime() }
            }
            for transition in changes {
                shared.logger.notice(
                    "replica \(transition.name): \(transition.from.label) -> \(transition.to.label) (\(transition.reason.label))"
                )
                let key =
                    "\(pool)|\(transition.name)|\(transition.to.label)|\(transition.reason.label)"
                if transitions.count < 4_096 || transitions[key] != nil {
                    transitions[key, default: 0] += 1
                }
                stalled.removeAll { $0.pool == pool && $0.id == transition.replica }
                if transition.to.losesUnstarted {
                    stalled.append((pool, transition.replica, loop.now))
                }
            }
        }
        failOver()
    }

    /// Tells the workers to take from replicas that are out of service what these have not begun.
    private func failOver() {
        stalled.removeAll { entry in
            shared.pools[entry.pool].replicaState(entry.id)?.losesUnstarted != true
        }
        for index in stalled.indices where stalled[index].next <= loop.now {
            stalled[index].next = loop.now + Self.failOverInterval
            for mailbox in shared.mailboxes {
                mailbox.post(.failOver(pool: stalled[index].pool, replica: stalled[index].id))
            }
        }
    }

    /// State changes so far: pool, replica, state, reason.
    func forEachTransition(_ body: ([String], UInt64) -> Void) {
        for (key, count) in transitions {
            var parts = key.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            if let index = Int(parts[0]) { parts[0] = pools[index].name }
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
            let authority = answer.name.url.authority
            unanswered.remove(authority)
            switch answer.result {
            case .success(let found):
                if addresses.take(found, for: authority) { isChanged = true }
                if let text = troubles.succeeded(authority, now: loop.now) {
                    shared.logger.notice("\(text)")
                }
            case .failure(let error):
                shard.dnsError()
                if let text = troubles.failed(authority, error.reason, now: loop.now) {
                    shared.logger.warning("\(text)")
                }
            }
        }
        if isChanged { update() }
    }

    private struct Wanted {
        let descriptor: ReplicaDescriptor
        let address: SocketAddress
        let url: HTTPURL
        let metricsURL: HTTPURL
        var gpus: GPUAgent.Source?
        let credentials: ReplicaCredentials
    }

    private func wanted(_ index: Int) -> [Wanted] {
        let pool = pools[index]
        var list: [Wanted] = []
        for (number, replica) in pool.replicas.enumerated() {
            guard let (url, address, isLiteral) = addresses.place(of: replica) else { continue }
            // At another address is another server: the one before drains.
            let key = isLiteral ? replica.url : "\(replica.url) \(address)"
            list.append(
                Wanted(
                    descriptor: ReplicaDescriptor(
                        name: replica.name ?? url.authority, key: key, weight: replica.weight),
                    address: address, url: url,
                    metricsURL: replica.metricsURL.flatMap { try? HTTPURL($0) } ?? url,
                    gpus: gpus(of: replica, in: pool),
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
                    let agent = makeAgent(index, id, want)
                    if let old = agents.first(where: { $0.pool == index && $0.id == id }) {
                        if old.isSame(as: agent) {
                            old.adoptGPUs(of: agent)
                            kept.append(old)
                            continue
                        }
                        agent.succeed(old)
                    }
                    directory.setEndpoint(agent.endpoint, pool: index, slot: Int(id.slot))
                    begun.append(agent)
                }
            }
            directory.names = names
        }
        shared.wake(wakes, except: nil)
        for agent in agents where !kept.contains(where: { $0 === agent }) { agent.end() }
        // A model's owner and its pools' order are those of the configuration.
        agents = (kept + begun).sorted { $0.pool < $1.pool }
        publish(shared.currentDirectory())
        for agent in begun { agent.begin() }
    }

    private func makeAgent(_ pool: Int, _ id: ReplicaID, _ want: Wanted) -> ReplicaAgent {
        let endpoint = ReplicaEndpoint(
            name: want.descriptor.name, address: want.address, url: want.url,
            metricsURL: want.metricsURL, authorization: want.credentials.authorization,
            generation: id.generation,
            recordIndex: recordIndex(pool, want.descriptor.name),
            tls: want.url.isTLS ? want.credentials.tls : nil)
        return ReplicaAgent(
            pool: pool, endpoint: endpoint, id: id, name: want.descriptor.name,
            metricsAddress: metricsAddress(want),
            gpus: want.gpus.map { agent(for: $0, of: want.descriptor.name, want.credentials.tls) },
            tls: want.credentials.tls, registry: self)
    }

    /// Where the metrics page is: at the replica's address where it has its name, else where its own
    /// name leads.
    private func metricsAddress(_ want: Wanted) -> SocketAddress {
        let url = want.metricsURL
        if let literal = SocketAddress(host: url.host, port: url.port) { return literal }
        if url.host != want.url.host, let known = addresses.address(of: url.authority) {
            return known
        }
        var address = want.address
        if url != want.url { address.port = url.port }
        return address
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
            noteReplicas(in: &directory)
        }
    }

    private func recordIndex(_ pool: Int, _ name: String) -> Int32 {
        let name = ReplicaName(pool: pools[pool].name, name: name)
        let index = replicaNames.index(of: name, now: loop.now)
        names.replicas = replicaNames.names
        return index
    }

    /// Drops the series of replicas that have been gone for long.
    private func dropOldNames() {
        let dropped = replicaNames.dropOld(now: loop.now)
        guard !dropped.isEmpty else { return }
        publish(shared.currentDirectory())
        for (index, name) in dropped {
            let index = UInt16(truncatingIfNeeded: index)
            shard.forget(replica: index)
            for mailbox in shared.mailboxes { mailbox.post(.forgetReplica(index)) }
            let pool = pools.firstIndex { $0.name == name.pool } ?? 0
            transitions = transitions.filter { !$0.key.hasPrefix("\(pool)|\(name.name)|") }
        }
    }
}
